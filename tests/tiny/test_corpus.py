"""The Tiny Pile: the same everywhere, divided cleanly, planted exactly, and true where it claims to be."""

import collections
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest

from pythia_course.tiny import corpus, sources, words
from pythia_course.tiny.dice import Dice, zipf_probabilities
from pythia_course.tiny.tokenizer import train_tokenizer


def test_a_batch_is_a_pure_function_of_seed_and_step():
    first, again = corpus.batch(1234), corpus.batch(1234)
    np.testing.assert_array_equal(first.tokens, again.tokens)
    assert first.documents == again.documents
    assert not np.array_equal(first.tokens, corpus.batch(1235).tokens)
    assert not np.array_equal(first.tokens, corpus.batch(1234, seed=1).tokens)


def test_a_batch_is_the_same_in_another_process_with_another_hash_seed():
    code = (
        "from pythia_course.tiny.corpus import batch; import hashlib; "
        "print(hashlib.sha256(batch(77).tokens.tobytes()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "99"}
    )
    assert other.stdout.strip() == sha256(corpus.batch(77).tokens.tobytes()).hexdigest()


def test_every_token_knows_its_source_and_document():
    batch = corpus.batch(5)
    assert batch.tokens.shape == batch.sources.shape == (32, 129)
    line, source_of = batch.tokens.ravel(), batch.sources.ravel()
    for start, document in zip(batch.starts[:-1], batch.documents[:-1]):
        ids = corpus.encode(document.text)
        assert line[start : start + len(ids)].tolist() == ids
        assert {corpus.SOURCE_NAMES[i] for i in source_of[start : start + len(ids)]} == {document.source}
    assert corpus.decode(line).startswith(batch.documents[0].text + "<|endoftext|>" + batch.documents[1].text)


def test_sources_come_in_their_stated_shares():
    counts = collections.Counter(d.source for step in range(40) for d in corpus.batch(step).documents)
    total = sum(counts[name] for name in sources.SOURCES)
    for name, (_, share) in sources.SOURCES.items():
        expected = share / 100
        assert abs(counts[name] / total - expected) < 5 * (expected / total) ** 0.5, name
    assert sum(share for _, share in sources.SOURCES.values()) == 100


def test_held_out_documents_are_never_in_a_batch():
    held = {d.text for source in sources.SOURCES if source != "weather" for d in corpus.held_out(source, 50)}
    seen = [d for step in range(0, corpus.STEPS, 150) for d in corpus.batch(step).documents]
    assert len(held) == 350 and not held & {d.text for d in seen}
    assert not any(corpus.is_held_out(d) for d in seen if d.source != "planted")
    with pytest.raises(ValueError, match="No documents of 'weather' are held out"):
        corpus.held_out("weather", 1)
    with pytest.raises(ValueError, match="fewer than 150 different"):
        corpus.held_out("python", 150)


def test_planted_sentences_come_exactly_as_often_and_when_the_plan_says():
    plan = corpus.planting()
    assert collections.Counter(len(steps) for steps in plan.values()) == {1: 5, 4: 5, 16: 5, 64: 5, 256: 5}
    rare = {sentence: steps for sentence, steps in plan.items() if len(steps) <= 4}
    steps = sorted({step for times in rare.values() for step in times} | set(range(3000, 3020)))
    for step in steps:
        batch = corpus.batch(step)
        planted = [d.text for d in batch.documents if d.source == "planted"]
        assert sorted(planted) == sorted(s for s, times in plan.items() if step in times)
        for start, document in zip(batch.starts, batch.documents):
            if document.source == "planted":  # whole, in one row
                assert start // 129 == (start + len(corpus.encode(document.text)) - 1) // 129
            else:
                assert not any(sentence in document.text for sentence in plan)


@pytest.mark.parametrize("step", [3, 2048])
def test_other_chances_leave_every_plan_room(step):
    for seed in range(1, 4):
        assert corpus.batch(step, seed).tokens.shape == (32, 129)


def test_weather_follows_the_stated_probabilities():
    dice, counts = Dice("test"), collections.defaultdict(collections.Counter)
    for _ in range(8000):
        for sentence in sources.weather(dice).split(". "):
            parts = sentence.rstrip(".").split()
            counts[parts[1]][parts[-1]] += 1
    for month, seen in counts.items():
        truth = sources.true_weather(month)
        assert set(seen) <= set(truth) and abs(sum(truth.values()) - 1) < 1e-9
        for word, p in truth.items():
            total = sum(seen.values())
            assert abs(seen[word] / total - p) < 5 * (p * (1 - p) / total) ** 0.5, (month, word)
    assert set(counts) == set(words.MONTHS)


def test_the_months_have_their_seasons():
    assert [words.SEASON[m] for m in ("January", "March", "July", "October", "December")] == [
        "winter",
        "spring",
        "summer",
        "autumn",
        "winter",
    ]


def test_arithmetic_is_correct_and_its_numbers_are_zipf():
    dice, operands, lines = Dice("sums"), collections.Counter(), []
    for _ in range(4000):
        lines += sources.arithmetic(dice).split("\n")
    for line in lines:
        left, right = line.split(" = ")
        a, sign, b = left.split()
        assert int(right) == (int(a) + int(b) if sign == "+" else int(a) - int(b)) and int(right) >= 0
        operands.update((int(a), int(b)))
    expected = zipf_probabilities(100)
    total = sum(operands.values())
    for rank in (0, 1, 4, 19):
        assert abs(operands[sources.NUMBERS[rank]] / total / expected[rank] - 1) < 0.1
    assert sorted(sources.NUMBERS) == list(range(1, 101))


def test_python_documents_compile():
    dice = Dice("code")
    for _ in range(500):
        compile(sources.python(dice), "document", "exec")


def test_echoes_repeat_themselves():
    dice = Dice("echo")
    for _ in range(500):
        copies = sources.echo(dice).split("\n")
        assert 2 <= len(copies) <= 4 and len(set(copies)) == 1 and 3 <= len(copies[0].split()) <= 12


def test_stories_keep_their_pronouns():
    subject = {name: she for name, she, *_ in words.HEROES}
    dice = Dice("pronouns")
    for _ in range(300):
        text = sources.story(dice)
        assert "{" not in text and not any(f" a {vowel}" in text for vowel in "aeio"), text
        people = {subject[name] for name in words.NAMES if name in text}
        for pronoun in ("she", "he"):
            lowered = f" {text.lower()} ".replace(",", " ").replace(".", " ")
            if f" {pronoun} " in lowered.replace("he gave", "") and "man" not in text:
                assert pronoun in people, text


def test_the_tokenizer_is_what_its_recipe_makes():
    from tokenizers import Tokenizer

    shipped = Tokenizer.from_file(str(corpus.TOKENIZER_FOLDER / "tokenizer.json"))
    assert shipped.get_vocab() == train_tokenizer().get_vocab()
    assert shipped.get_vocab_size() == 1024 and shipped.token_to_id("<|endoftext|>") == corpus.END_OF_TEXT


def test_the_tokenizer_gives_every_text_back():
    for text in ("Tom said, “naïve” 🙂\n\tend", "<script>alert(1)</script>", " " * 9, "def f(x):\n        return x"):
        assert corpus.decode(corpus.encode(text)) == text + "<|endoftext|>"
