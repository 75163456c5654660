"""Lesson 08, memorisation: what it says, computed anew."""

from functools import cache

import numpy as np
import pytest
import torch
from support.claims import says
from support.data_lessons import continued, loaded, mean_loss, model, token_losses

from pythia_course import suite
from pythia_course.tiny import corpus
from pythia_course.tiny.train import training_log

NEW = (
    "The baker of Lund keeps a wooden whale under the flour sacks.",
    "A sailor in Cork once taught his barrel to hum old hymns.",
    "Miss Larkspur lost eleven thimbles in the bishop's snuff box.",
    "Behind the mill at Ghent grows one tree with paper leaves.",
    "The night porter of Riga feeds his shadow with burnt toast.",
)


@pytest.fixture(scope="module", autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


@cache
def shown(times):
    """Five sentences shown so often: the first three all along, the last two in the first third only."""
    return [sentence for sentence, steps in corpus.planting().items() if len(steps) == times]


@says("08", "No other text of the corpus is like them.")
def test_no_planted_sentence_stands_elsewhere():
    texts = "\n".join(
        d.text for step in range(0, 400, 20) for d in corpus.batch(step).documents if d.source != "planted"
    )
    assert not any(sentence[:20] in texts for sentence in corpus.planting())


@says(
    "08",
    "Are ours a fair control? Not quite: they are shorter, and the model finds them harder even when it "
    "has seen neither kind.",
    "The best would be planted sentences that chance had held back, but none was.",
    "some of the gap to the dotted line below is not memory",
)
def test_our_new_sentences_are_harder_than_planted_ones_not_yet_shown():
    plan = corpus.planting()
    assert len(plan) == 25 and min(map(len, plan.values())) == 1
    for step in (64, 600, 1400):
        assert mean_loss(step, NEW) > mean_loss(step, [s for s, steps in plan.items() if steps[0] >= step]) + 0.2
    lengths = [np.mean([len(corpus.encode(text)) for text in texts]) for texts in (NEW, plan)]
    assert [round(length) for length in lengths] == [28, 33]
    assert mean_loss(6200, NEW) > mean_loss(6200, shown(1)) + 0.5


@says(
    "08",
    "their loss has fallen too, though not as far as that of the orange ones at the end (16 times: 3.9 against 2.9)",
    "the model forgets: the loss climbs back, most of the way within the next 1,600 steps, while what is "
    "shown again and again until the end (orange) is kept",
    "at the end the blue sentences shown 256 times have 5.1 nats, those shown once 6.6",
    "It rises: as the model gets surer of its corpus, these sentences become more surprising.",
)
def test_what_is_no_longer_shown_is_forgotten():
    for times in (16, 64, 256):
        early = shown(times)[3:]
        assert max(corpus.planting()[sentence][-1] for sentence in early) < 2200
        then, later, end = (mean_loss(step, early) for step in (2200, 3800, 6200))
        kept = mean_loss(6200, shown(times)[:3])
        assert then > kept and end - then > 1.5 and later - then > 0.5 * (end - then)
        assert kept < mean_loss(2200, shown(times)[:3])
    assert (round(mean_loss(2200, shown(16)[3:]), 1), round(mean_loss(6200, shown(16)[:3]), 1)) == (3.9, 2.9)
    assert (round(mean_loss(6200, shown(256)[3:]), 1), round(mean_loss(6200, shown(1)), 1)) == (5.1, 6.6)
    rising = [mean_loss(step, NEW) for step in (64, 1400, 6200)]
    assert rising == sorted(rising) and rising[-1] > rising[0] + 1


@says("08", "A sentence was shown 256 times, and then, after step 2,065, never again.")
def test_the_sentence_that_stopped():
    assert {plan[-1] for plan in map(corpus.planting().get, shown(256))} >= {2065}


@says("08", "that model is about eleven thousand times larger")
def test_how_much_larger_12b_is():
    ours = sum(parameter.numel() for parameter in model(6200).parameters())
    assert 10_500 < suite.total(suite.SUITE["pythia-12b"]) / ours < 11_500


@says(
    "08",
    "five were shown once, five 4 times, five 16, five 64 and five 256 times",
    "In each group of more than one showing, three sentences were shown all along (orange) and two in the first third "
    "of the training run only (blue).",
)
def test_the_plan():
    for times in (1, 4, 16, 64, 256):
        early = [corpus.planting()[sentence][-1] < corpus.STEPS / 3 for sentence in shown(times)]
        assert len(early) == 5 and (times == 1 or early == [False] * 3 + [True] * 2)


@cache
def recited(step, given=4):
    """The planted sentences that a checkpoint writes to their end after so many of their tokens."""
    found = set()
    for sentence in corpus.planting():
        ids = [[corpus.END_OF_TEXT, *corpus.encode(sentence)]]
        if continued(step, ids, given + 1, len(ids[0]) - given - 1)[0]:
            found.add(sentence)
    return found


@says(
    "08",
    "At the end the model recites six sentences, all of them shown until then; two that it could recite at step 1,400 "
    "are gone.",
    "They had gone by step 2,200, fewer than 150 steps after they were last shown, when their mean loss was still "
    "below one nat: the exact words are lost before the low mean is.",
    "whether a sentence can be extracted at the end depends on how often and when it was shown",
)
def test_what_can_be_extracted():
    plan, lost = corpus.planting(), recited(1400) - recited(6200)
    assert len(recited(6200)) == 6 and all(plan[sentence][-1] > 6000 for sentence in recited(6200))
    assert {len(plan[sentence]) for sentence in recited(6200)} == {64, 256}
    assert len(lost) == 2 and not lost & recited(2200)
    assert all(0 < 2200 - plan[s][-1] < 150 and token_losses(2200, s).mean() < 1 for s in lost)
    assert len(set(shown(256)) - recited(6200)) == 2


@says(
    "08",
    "Its 33 tokens have a mean loss of 0.25 nats, 8.4 nats in all.",
    "Nearly all of it. (Of the loss of each of the six, at least three quarters fall on the first three tokens.)",
    "The model cannot know which sentence comes, and once it can, there is little left to be surprised by.",
    "So the mean over a whole sentence hides how sure the model is of the rest, and a text known by heart need not "
    "have a loss of 0.",
)
def test_the_loss_of_what_is_known_lies_in_its_first_tokens():
    piano = token_losses(6200, shown(256)[0])
    assert len(piano) == 33 and (round(piano.mean(), 2), round(piano.sum(), 1)) == (0.25, 8.4)
    assert piano[:2].sum() > 0.9 * piano.sum() and piano[3:].max() < 0.2
    known = [token_losses(6200, sentence) for sentence in recited(6200)]
    assert all(losses[:3].sum() > 0.75 * losses.sum() and losses[3:].max() < 0.7 for losses in known)
    unknown = [token_losses(6200, sentence) for sentence in shown(1)]  # the control: surprising all along
    assert all(losses[:3].sum() < 0.25 * losses.sum() for losses in unknown)


def rows_of(numbers):
    return np.concatenate([corpus.batch(number).tokens for number in numbers])


@says(
    "08",
    "As many as the one after. The rows are echoes: their second line repeats the first, and a model with induction "
    "heads (lesson 06) can go on without having read the words before.",
    "What looks like memory is copying from the prompt: the model at step 6,200 recites 28 rows of 20 batches that no "
    "model has read (6,200, 6,240 and so on), and only one of these once its three induction heads are silenced.",
    "Even then, look at it: of batch 5,450 the later checkpoint recites one row that the earlier one does not, and it "
    "is an echo again.",
)
def test_what_looks_like_memory_is_copying():
    before, after = (continued(step, rows_of([5800]), 32, 32) for step in (5400, 6200))
    assert before.sum() == after.sum() == 2
    assert set(corpus.batch(5800).sources[after][:, 32:64].ravel()) == {corpus.SOURCE_NAMES.index("echoes")}
    unread = rows_of(range(6200, 7000, 40))
    copied = continued(6200, unread, 32, 32)
    assert copied.sum() == 28
    with loaded(6200).ablate(heads=[(2, 0), (2, 1), (2, 2)]):
        assert continued(6200, unread[copied], 32, 32).sum() == 1
    with loaded(6200).ablate(heads=[(0, 0), (0, 1), (0, 2)]):  # the control: three heads that do not copy
        assert continued(6200, unread[copied], 32, 32).sum() > 3
    before, after = (continued(step, rows_of([5450]), 32, 32) for step in (5400, 6200))
    new = np.flatnonzero(after & ~before)
    assert len(new) == 1 and set(corpus.batch(5450).sources[new, 32:64].ravel()) == {
        corpus.SOURCE_NAMES.index("echoes")
    }


@says("08", "But so does when: the blue squares lie above the orange dots wherever there are both.")
def test_when_a_sentence_was_shown_matters():
    for times in (4, 16, 64, 256):
        loss = [mean_loss(6200, [sentence]) for sentence in shown(times)]
        assert min(loss[3:]) > max(loss[:3])


@pytest.mark.parametrize("seed", (0, 1, 2))
@says("08", "How often matters")
def test_more_showings_leave_a_lower_loss_with_every_seed(seed):
    log = training_log("tiny-pythia", seed)
    place = list(log["step"]).index(2400)
    found = [log[f"loss_planted_{times}"][place] for times in (1, 4, 16, 64, 256)]
    assert found[0] > found[2] > found[3] > found[4] and found[0] - found[4] > 3
