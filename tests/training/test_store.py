"""Results on disk: what was written is read, and what is not whole is as if it were not there."""

import io
import os
import random
import time

import numpy as np
import pytest
import torch

from pythia_course.training.store import Store, folder_name, tidy

VALUES = {
    "a number": 0.1 + 0.2,
    "a whole number": 2**40,
    "a truth": True,
    "a text": "␣the",
    "an array": np.arange(6, dtype=np.float16).reshape(2, 3),
    "words": np.array(["␣cat", "sat"]),
    "a dict": {"score": 0.25, "maps": np.eye(3, dtype=np.float32), "": -1},
    "an empty array": np.zeros((0, 3)),
}


def same(a, b):
    """Equal to the last bit, kinds included."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("name", VALUES)
def test_what_is_written_is_read(name, tmp_path):
    store = Store(tmp_path / "deep" / "folder")
    assert store.read(512) is None
    store.write(512, VALUES[name])
    assert same(store.read(512), VALUES[name])
    assert [path.name for path in store.folder.iterdir()] == ["step512.npz"]


def test_a_file_is_plain_numpy(tmp_path):
    Store(tmp_path).write(3, {"score": 0.5, "map": np.ones(2)})
    with np.load(tmp_path / "step3.npz", allow_pickle=False) as file:
        assert file["value0"] == 0.5 and file["value1"].tolist() == [1, 1] and '"map"' in str(file["header"])


def test_tidy_takes_what_measures_return_and_shares_no_memory():
    weight = torch.ones(2, 2)
    kept = tidy({"t": weight, "b": weight.bfloat16(), "zero-d": torch.tensor(0.5), "n": np.float32(0.25), "l": [1, 2]})
    assert kept["b"].dtype == kept["t"].dtype == np.float32 and kept["l"].tolist() == [1, 2]
    assert (kept["zero-d"], kept["n"]) == (0.5, 0.25) and type(kept["n"]) is float
    weight.zero_()
    assert kept["t"].tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    "value, said",
    [
        (None, "returned nothing"),
        ([[1, 2], [3]], "rows of different lengths"),
        ({"a": None}, "returned nothing"),
        ({}, r"the keys \[\]"),
        ({5: 1.0}, r"the keys \[5\]"),
        (object(), "returned a object"),
        ({"a": {"b": 1}}, "returned a dict"),
        (b"bytes", "returned a bytes"),
    ],
    ids=["None", "ragged", "None inside", "empty", "unnamed", "object", "nested", "bytes"],
)
def test_anything_else_is_refused_with_what_to_do(value, said):
    with pytest.raises((TypeError, ValueError), match=said):
        tidy(value)


def test_no_flipped_byte_and_no_cut_gives_another_value(tmp_path):
    value = {"score": 0.25, "maps": np.arange(100.0)}
    store = Store(tmp_path)
    store.write(7, value)
    whole = store.path(7).read_bytes()
    dice = random.Random(0)
    places = dice.sample(range(len(whole)), 200)
    flipped = [whole[:at] + bytes([whole[at] ^ (1 << dice.randrange(8))]) + whole[at + 1 :] for at in places]
    cut = [whole[:at] for at in (0, 1, 30, *places[:60], len(whole) - 1)]
    lost = 0
    for content in (*flipped, *cut):
        store.path(7).write_bytes(content)
        read = store.read(7)
        assert read is None or same(read, value)
        lost += read is None
    assert lost > 200  # only a date or the like, inside the zip, may change unseen
    store.write(7, value)
    assert same(store.read(7), value)


def test_a_flip_that_makes_an_array_shorter_is_seen(tmp_path):
    """numpy would stop reading before the end, where the checksum is compared."""
    store = Store(tmp_path)
    store.write(7, np.arange(3000.0))
    whole = store.path(7).read_bytes()
    assert whole.count(b"(3000,)") == 1 and ord("3") ^ 2 == ord("1")
    store.path(7).write_bytes(whole.replace(b"(3000,)", b"(1000,)"))
    assert store.read(7) is None


def test_a_pickle_is_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    buffer = io.BytesIO()
    np.savez(buffer, header='{"step": 1, "weights": null, "names": null}', value0=np.array([Bomb()], dtype=object))
    (tmp_path / "step1.npz").write_bytes(buffer.getvalue())
    assert Store(tmp_path).read(1) is None and not (tmp_path / "exploded").exists()


def test_a_file_under_another_step_s_name_is_not_believed(tmp_path):
    store = Store(tmp_path)
    store.write(1, 0.5)
    store.path(1).rename(store.path(2))
    assert store.read(2) is None


def test_results_of_other_weights_are_not_mixed_in(tmp_path):
    store = Store(tmp_path)
    store.write(1, 0.5, weights="aaa")
    assert store.read(1, "aaa") == store.read(1) == store.read(1, "") == 0.5
    assert store.read(1, "bbb") is None


def test_a_write_that_fails_leaves_nothing_and_spoils_nothing(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.write(1, 0.5)

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(1, 0.75)
    assert store.read(1) == 0.5 and len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_writer_left_goes_after_an_hour(tmp_path):
    old, new = tmp_path / "step1.npz.a.part", tmp_path / "step2.npz.b.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    Store(tmp_path).prepare()
    assert [path.name for path in tmp_path.iterdir()] == [new.name]


def test_names_of_folders_are_safe_anywhere():
    assert folder_name("EleutherAI/pythia-160m") == "EleutherAI--pythia-160m"
    assert folder_name("../../etc: <locals>.ä") == "--..--etc-locals-".strip("-.")
    assert folder_name("...") == "measure"
