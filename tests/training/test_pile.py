"""Training batches: shard arithmetic against slicing one long string, and reading ranges over real HTTP."""

import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.data_server import Content, data_hub_fixture  # noqa: F401
from support.hub_folders import write_tokenizer
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import errors, suite
from pythia_course.hub import addresses
from pythia_course.tiny import corpus
from pythia_course.training import pile, shards
from pythia_course.training.pile import BATCH_BYTES, DEDUPED, ROW, ROWS, STANDARD, STEPS, training_batch

# ------------------------------------------------------------------------------------------- the arithmetic


def test_the_real_data_have_the_published_shape():
    assert (ROWS, ROW, STEPS, BATCH_BYTES) == (1024, 2049, 143_000, 4_196_352)
    # 12 bytes a row and 42 more: the size of document.idx in the data set, which lists the rows
    assert STEPS * ROWS * 12 + 42 == 1_757_184_042
    assert suite.TRAINING["tokens per step"] == ROWS * (ROW - 1)


@pytest.mark.parametrize("sizes", [(10,), (7, 7, 3), (1, 1, 1, 1), (5, 0, 5), (9, 1)])
def test_spans_are_slices_of_the_shards_laid_end_to_end(sizes):
    letters = "abcdefghijklmnopqrstuvwxyz"
    ends = np.cumsum([0, *sizes])
    texts = [letters[a:b] for a, b in zip(ends, ends[1:])]
    known = [shards.Shard(text, "", len(text)) for text in texts]
    for start in range(ends[-1] + 1):
        for size in range(1, ends[-1] + 2):
            found = shards.spans(known, start, size)
            cut = [span.shard.name[span.first : span.first + span.size] for span in found]
            assert "".join(cut) == letters[: ends[-1]][start : start + size] and all(cut)


# -------------------------------------------------------------------------------- the real layout, over HTTP


def made_up(position):
    """The token at a place of the made-up Pile: any token can be told from its place, and none is out of range."""
    position = np.asarray(position, dtype=np.uint64)
    return ((position * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) % np.uint64(pile.ENTRIES)).astype("<u2")


def made_up_bytes(start):
    """read() of a shard that begins at byte `start` of the whole."""

    def read(first, size):
        low, high = (start + first) // 2, -(-(start + first + size) // 2)
        content = made_up(np.arange(low, high)).tobytes()
        return content[start + first - 2 * low :][:size]

    return read


def shards_of(total, size):
    """{name: Content} of the made-up Pile, cut as the real one is: all shards of one size but the last."""
    starts = range(0, total, size)
    name = f"document-{{:05}}-of-{len(starts) - 1:05}.bin"
    return {name.format(n): Content(min(size, total - at), made_up_bytes(at)) for n, at in enumerate(starts)}


@pytest.fixture
def published(data_hub):
    """Both data sets in their true sizes, 21 shards each, with the other files that lie beside them."""
    for data in (STANDARD, DEDUPED):
        files = shards_of(STEPS * BATCH_BYTES, 30_000_000_000)
        data_hub.data[data] = files | {"document.idx": Content.of(b"MMIDIDX"), ".gitattributes": Content.of(b"*.bin")}
    return data_hub


def expected(step):
    """The made-up batch of a step, by its definition: rows 1024 * step and on, of 2049 tokens each."""
    rows = np.arange(1024 * step, 1024 * (step + 1))[:, None]
    return made_up(rows * 2049 + np.arange(2049)).astype(np.int64)


# 7,149 begins in shard 0 and ends in shard 1 (30e9 / 4,196,352 = 7,149.07); 142,999 ends where the last shard does.
@pytest.mark.parametrize(("step", "requests"), [(0, 1), (1, 1), (7_149, 2), (71_491, 1), (142_999, 1)])
def test_a_batch_is_read_by_one_request_a_shard_and_no_byte_too_many(published, step, requests):
    batch = training_batch("pythia-160m", step)
    np.testing.assert_array_equal(batch.tokens, expected(step))
    assert batch.tokens.dtype == np.int64 and (batch.model, batch.step, batch.data) == ("pythia-160m", step, STANDARD)
    assert sum(size for _, size in published.sent) == 4_196_352 and len(published.sent) == requests
    np.testing.assert_array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])


def test_a_straddling_batch_takes_the_end_of_one_shard_and_the_beginning_of_the_next(published):
    training_batch("pythia-160m", 7_149)
    rest = 30_000_000_000 - 7_149 * 4_196_352
    names = ["document-00000-of-00020.bin", "document-00001-of-00020.bin"]
    assert published.sent == [(names[0], rest), (names[1], 4_196_352 - rest)]


def test_the_hub_is_asked_for_the_listing_once(published):
    training_batch("pythia-160m", 5)
    listing = [request for request in published.requests if "/api/" in request]
    assert [request.partition("?")[0] for request in listing] == [
        f"GET /api/datasets/{STANDARD}",
        f"GET /api/datasets/{STANDARD}/tree/main",
    ]
    training_batch("pythia-1.4b", 6)
    assert [request for request in published.requests if "/api/" in request] == listing


def test_nothing_is_kept_on_the_disk(published, tmp_path):
    training_batch("pythia-160m", 5)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["pythia-160m-deduped", "EleutherAI/pythia-12b-deduped"])
def test_a_deduplicated_pythia_has_the_deduplicated_data(published, name):
    assert training_batch(name, 3).data == DEDUPED
    assert all(f"/datasets/{DEDUPED}" in request or "/storage/" in request for request in published.requests)


def test_progress_counts_every_byte(published):
    seen = []
    training_batch("pythia-160m", 7_149, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1] == (4_196_352, 4_196_352)


def test_text_asks_the_hub_for_the_tokenizer_alone_and_only_then(published, tmp_path, monkeypatch):
    pile._tokenizer.cache_clear()
    write_tokenizer(tmp_path / "main", "GPTNeoXTokenizer")
    published.repositories["EleutherAI/pythia-160m"] = {"main": tmp_path / "main"}
    batch = training_batch("pythia-160m", 5)
    assert not any("pythia-160m/" in request for request in published.requests)
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tmp_path / "main" / "tokenizer.json"))
    small = pile.TrainingBatch(batch.model, 5, batch.data, batch.tokens % 300, batch.decode)
    assert small.text(3) == tokenizer.decode((batch.tokens[3] % 300).tolist(), skip_special_tokens=False)
    fetched = {request.rpartition("/")[2] for request in published.requests if "/pythia-160m/resolve/" in request}
    assert fetched == {"tokenizer.json"}
    pile._tokenizer.cache_clear()


LESSON = Path(__file__).parents[2] / "notebooks" / "07_open_training_data.ipynb"
FIRST = 'name, step = "tiny-pythia", 1000'


def run_real_section(first):
    """What the lesson's cells on the real data print and leave behind, with another first line."""
    code = ["".join(cell["source"]) for cell in json.loads(LESSON.read_text())["cells"] if cell["cell_type"] == "code"]
    start = next(place for place, cell in enumerate(code) if cell.startswith(FIRST))
    names = {"training_batch": training_batch, "np": np, "batch": training_batch("tiny-pythia", 700)}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for cell in code[start : start + 3]:
            exec(cell.replace(FIRST, first), names)
    return printed.getvalue(), names["real"]


def test_the_cells_of_the_lesson_show_a_real_batch(published, tmp_path):
    pile._tokenizer.cache_clear()
    write_tokenizer(tmp_path / "main", "GPTNeoXTokenizer")
    published.repositories["EleutherAI/pythia-160m"] = {"main": tmp_path / "main"}
    printed, real = run_real_section('name, step = "pythia-160m", 71_491')
    assert (real.model, real.step) == ("pythia-160m", 71_491) and "1,024 rows of 2,049 tokens" in printed
    assert "the one at step 72,000 has" in printed and "2,097,152 predictions" in printed
    pile._tokenizer.cache_clear()


def test_without_a_hub_the_cells_of_the_lesson_say_so_and_go_on(published):
    published.close()
    printed, real = run_real_section('name, step = "pythia-160m", 71_491')
    assert printed.startswith("batch 71,491 of pythia-160m is not on this machine yet, and the hub cannot be reached")
    assert (real.model, real.step) == ("tiny-pythia", 700) and "4,096 predictions" in printed


# ------------------------------------------------------------------------------------------------- failures


def failure(error, *args):
    """The sentence that `training_batch` fails with."""
    with pytest.raises(error) as caught:
        training_batch(*args)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence[-1] in ".?" and caught.value.__cause__ is None
    return sentence


@pytest.mark.parametrize(
    ("name", "step", "words"),
    [
        ("pythia-160m", 143_000, "from 0 to 142,999, and its last checkpoint, at step 143,000, has seen them all."),
        ("pythia-160m", -1, "no batch -1: they go from 0 to 142,999."),
        ("pythia-160m", 143_001, "no batch 143,001: they go from 0 to 142,999."),
        ("pythia-160m", 1.5, "A step is a whole number such as 3000, but 1.5 came."),
        ("pythia-160m", "3", "A step is a whole number such as 3000, but '3' came."),
        ("tiny-pythia", 6200, "no batch 6,200: they go from 0 to 6,199"),
        ("tiny-gpt2", -1, "tiny-gpt2 has no batch -1"),
    ],
)
def test_a_step_without_a_batch_is_refused_before_the_hub_is_asked(published, name, step, words):
    assert words in failure(errors.StepNotFound, name, step)
    assert published.requests == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pythia-160m-seed3", "an order of its own, which is published as an index"),
        ("EleutherAI/pythia-410m-data-seed2", "an order of its own"),
        ("gpt2", "What gpt2 was trained on"),
        ("somebody/pythia-like", "not known to the course"),
    ],
)
def test_a_model_whose_order_is_not_known_is_refused(published, name, words):
    assert words in failure(errors.ModelRefused, name, 3)
    assert published.requests == []


def test_a_folder_cannot_tell_what_it_was_trained_on(tmp_path, monkeypatch):
    (tmp_path / "pythia-70m").mkdir()
    assert "a folder cannot tell" in failure(errors.ModelRefused, str(tmp_path / "pythia-70m"), 3)
    monkeypatch.setenv(addresses.MODEL_VARIABLE, str(tmp_path / "pythia-70m"))
    assert "a folder cannot tell" in failure(errors.ModelRefused, None, 3)


def test_a_name_nobody_knows_comes_with_a_suggestion():
    assert 'did you mean "pythia-160m"' in failure(errors.ModelNotFound, "pythia-160n", 3)


def test_without_a_hub_one_sentence_says_so(published):
    published.close()
    assert "the hub cannot be reached" in failure(errors.HubUnreachable, "pythia-160m", 3)


def test_offline_is_not_even_tried(published, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in failure(errors.HubUnreachable, "pythia-160m", 3)
    assert published.requests == []


def test_a_data_set_that_is_gone_is_named(published):
    del published.data[STANDARD]
    assert f"The hub has no data set {STANDARD}" in failure(errors.ModelNotFound, "pythia-160m", 3)


SMALL = {f"document-{n:05}-of-00020.bin": Content(30_000_000_000, made_up_bytes(n * 30_000_000_000)) for n in range(20)}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"README.md": Content.of(b"moved")}, "holds no shards"),
        (SMALL, "are incomplete: 600,000,000,000 of 600,078,336,000 bytes"),
        ({name: file for name, file in SMALL.items() if "00007-" not in name}, "Shard 00007 of"),
        (SMALL | {"document-00000-of-00003.bin": Content(9, made_up_bytes(0))}, "two sets of shards, of 00003 and of"),
        ({name: Content(file.size - 2, file.read) for name, file in SMALL.items()}, "are incomplete: 599,999,999,960"),
    ],
    ids=["none", "last missing", "gap", "twice", "cut"],
)
def test_shards_that_do_not_make_the_whole_are_refused(data_hub, files, words):
    data_hub.data[STANDARD] = files
    assert words in failure(errors.ModelDamaged, "pythia-160m", 3)
    assert data_hub.sent == []


def test_a_shard_that_is_missing_where_the_listing_has_it(published):
    published.fault = lambda handler: "/resolve/" in handler.path and (handler.refuse(404, "EntryNotFound", "") or True)
    assert "lists document-00000-of-00020.bin" in failure(errors.HubUnreachable, "pythia-160m", 3)


def test_a_shard_that_is_shorter_than_its_listing(published):
    files = published.data[STANDARD]
    shards_seen = shards._list(addresses.Place("x", None, hub_id=STANDARD, revision="main"), shards.Report())
    assert len(shards_seen) == 21
    files["document-00000-of-00020.bin"] = Content(3 * BATCH_BYTES + 100, made_up_bytes(0))
    assert "is shorter than the hub lists it" in failure(errors.ModelDamaged, "pythia-160m", 3)
    assert "is shorter than the hub lists it" in failure(errors.ModelDamaged, "pythia-160m", 9)


def test_content_that_is_no_tokens_is_refused(published):
    files = published.data[STANDARD]
    files["document-00000-of-00020.bin"] = Content(30_000_000_000, lambda first, size: b"\xff" * size)
    assert "holds 65,535, and Pythia's tokens go up to 50,276" in failure(errors.ModelDamaged, "pythia-160m", 3)


def whole_file(handler):
    """A server, or a proxy before it, that ignores the range and begins to send 30 GB."""
    if "/storage/" not in handler.path:
        return False
    handler.begin(200, {"Content-Length": "30000000000"})
    handler.server.sent.append(("all", 0))
    try:
        while True:
            handler.wfile.write(b"\0" * (1 << 20))
            handler.server.sent.append(("all", 1 << 20))
    except OSError:
        return True


def test_a_server_that_ignores_ranges_is_left_before_it_fills_the_memory(published):
    published.fault = whole_file
    assert "does not know range requests" in failure(errors.HubUnreachable, "pythia-160m", 3)
    assert sum(size for _, size in published.sent) < 64 << 20


def test_another_range_than_the_one_asked_for_is_refused(published):
    def shifted(handler):
        if "/storage/" in handler.path:
            handler.begin(206, {"Content-Range": "bytes 0-9/30000000000", "Content-Length": "10"})
            handler.wfile.write(b"0123456789")
        return "/storage/" in handler.path

    published.fault = shifted
    assert "sends another" in failure(errors.HubUnreachable, "pythia-160m", 3)


def broken_after(size, times):
    """A connection that breaks after so many bytes, so many times."""
    left = [times]

    def fault(handler):
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        if "/storage/" not in handler.path or not left[0]:
            return False
        left[0] -= 1
        first, last = int(asked[1]), int(asked[2])
        handler.begin(206, {"Content-Range": f"bytes {first}-{last}/9", "Content-Length": str(last - first + 1)})
        handler.wfile.write(made_up_bytes(0)(first, size))
        handler.server.sent.append(("broken", size))
        return True

    return fault


def test_a_broken_connection_is_taken_up_where_it_broke(published):
    published.fault = broken_after(1_000_001, times=2)
    np.testing.assert_array_equal(training_batch("pythia-160m", 3).tokens, expected(3))
    rest = 4_196_352 - 2 * 1_000_001
    assert published.sent == [("broken", 1_000_001)] * 2 + [("document-00000-of-00020.bin", rest)]


def test_a_connection_that_brings_nothing_is_given_up(published):
    published.fault = broken_after(0, times=99)
    assert "broke off" in failure(errors.HubUnreachable, "pythia-160m", 3)


def answers(status, times, headers=None):
    left = [times]

    def fault(handler):
        if "/storage/" not in handler.path or not left[0]:
            return False
        left[0] -= 1
        handler.begin(status, {"Content-Length": "0"} | (headers or {}))
        return True

    return fault


@pytest.mark.parametrize(("status", "headers"), [(503, {"Retry-After": "1"}), (502, {}), (429, {"Retry-After": "1"})])
def test_a_busy_hub_is_waited_for(published, status, headers, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    published.fault = answers(status, 1, headers)
    np.testing.assert_array_equal(training_batch("pythia-160m", 3).tokens, expected(3))


def test_a_hub_that_stays_broken_is_named(published, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    published.fault = answers(500, 99)
    assert "The hub answered 500 when asked for batch 3 of pythia-160m" in failure(
        errors.HubUnreachable, "pythia-160m", 3
    )


def test_a_login_page_instead_of_a_listing(published):
    def page(handler):
        body = b"<html>log in</html>"
        handler.begin(200, {"Content-Type": "text/html", "Content-Length": str(len(body))})
        handler.wfile.write(body)
        return True

    published.fault = page
    failure(errors.HubUnreachable, "pythia-160m", 3)


def test_hf_endpoint_is_honoured(published):
    """In a process of its own, as a learner sets it: the variable is read when huggingface_hub is imported."""
    import os
    import subprocess
    import sys

    code = (
        "from pythia_course.training.pile import training_batch; import json; "
        "print(json.dumps(training_batch('pythia-70m', 2).tokens[1, :5].tolist()))"
    )
    environment = os.environ | {"HF_ENDPOINT": published.url}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert json.loads(done.stdout) == expected(2)[1, :5].tolist() and done.stderr == ""


# ------------------------------------------------------------------------------------------- tiny, and views


@pytest.fixture(scope="module")
def tiny():
    return training_batch("tiny-pythia", 700)


def test_the_tiny_models_share_the_tiny_pile(tiny):
    made = corpus.batch(700)
    for name in (*suite.LADDER, *suite.TINY):
        np.testing.assert_array_equal(training_batch(name, 700).tokens, made.tokens)
    assert tiny.data == pile.TINY_PILE and tiny.source_names == corpus.SOURCE_NAMES
    assert "".join(tiny.text(row) for row in range(32)) == corpus.decode(made.tokens.ravel())


def test_without_a_name_it_is_the_model_of_the_course(monkeypatch):
    monkeypatch.delenv(addresses.MODEL_VARIABLE, raising=False)
    assert training_batch(step=3).model == "tiny-pythia"
    monkeypatch.setenv(addresses.MODEL_VARIABLE, "tiny-gpt2")
    assert training_batch(step=3).model == "tiny-gpt2"


@pytest.mark.parametrize(
    ("step", "around"),
    [(0, (0, 1)), (1, (1, 2)), (2, (2, 4)), (511, (256, 512)), (512, (512, 600)), (6199, (5400, 6200))],
)
def test_a_batch_lies_between_the_checkpoints_that_have_and_have_not_seen_it(step, around):
    batch = training_batch("tiny-pythia", step)
    assert batch.around == around
    assert f"the checkpoint at step {around[0]:,} has not seen it, the one at step {around[1]:,} has" in repr(batch)


def test_pieces_are_the_documents_of_the_batch(tiny):
    made = corpus.batch(700)
    whole = [p for row in range(32) for p in tiny.pieces(row) if p.begins and p.ends]
    texts = [(d.source, d.text) for d in made.documents]
    assert len(whole) > 40 and all((p.source, p.text) in texts for p in whole)
    joined = "".join(p.text + "<|endoftext|>" * p.ends for row in range(32) for p in tiny.pieces(row))
    assert joined == corpus.decode(made.tokens.ravel())
    begins = sum(p.begins for row in range(32) for p in tiny.pieces(row))
    assert begins == sum(start < 32 * 129 for start in made.starts)


def test_where_rows_do_not_follow_one_another_the_first_piece_may_be_cut(tiny):
    alone = pile.TrainingBatch("pythia-160m", 0, STANDARD, tiny.tokens, corpus.decode)
    for row in range(32):
        first, *others = alone.pieces(row)
        assert not first.begins and first.source is None and all(piece.begins for piece in others)


def test_shown_text_is_text_and_not_html(tiny):
    def evil(ids):
        return '<script>alert("x")</script> & \u202e'

    batch = pile.TrainingBatch("tiny-pythia", 1, "<b>data</b>", tiny.tokens, evil, tiny.sources, ("<i>", *"abcdefgh"))
    shown = batch.show([0, 5]).data
    assert "<script" not in shown and "<i>" not in shown and "&lt;script&gt;" in shown
    assert shown.count("row ") == 2 and "unicode-bidi:isolate" in shown


def test_show_names_sources_and_marks_what_is_cut(tiny):
    shown = tiny.show(2, characters=40).data
    assert shown.count(">row ") == 2 and "<b" in shown and ">lists</b>" in shown and "[…]" in shown
    assert "… " in shown and " …" in shown
    assert tiny.show(99).data.count(">row ") == 32
    assert ">lists</b>" not in pile.TrainingBatch("pythia-70m", 0, STANDARD, tiny.tokens, corpus.decode).show(2).data


def test_each_source_has_an_edge_that_is_seen_on_a_white_and_on_a_dark_ground(tiny):
    shown = tiny.show(99).data
    edges = set(re.findall("border-left:4px solid ([^;]+);", shown))
    assert len(edges) == len(set(tiny.sources.ravel())) and "currentColor" in edges and "#000000" not in edges


def test_the_picture_has_a_pixel_for_each_token_and_a_color_for_each_source(tiny):
    ax = tiny.plot()
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), tiny.sources)
    labels = [label.get_text() for label in image.colorbar.ax.get_yticklabels()]
    assert labels == list(corpus.SOURCE_NAMES) and len(set(map(tuple, image.cmap.colors))) == len(labels)
    assert "step 700 of tiny-pythia" in ax.get_title()


def test_the_picture_without_sources_turns_at_each_document(tiny):
    alone = pile.TrainingBatch("pythia-160m", 0, STANDARD, tiny.tokens, corpus.decode)
    drawn = np.asarray(alone.plot().images[0].get_array())
    turns = (drawn[:, 1:] != drawn[:, :-1]).sum()
    assert turns == (tiny.tokens[:, 1:] == 0).sum()
