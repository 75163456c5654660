"""Whatever goes wrong between a hub and a learner: one clear sentence, nothing lost, and the next try succeeds.

Each row of FAULTS breaks one thing, over real HTTP; the same test asks for a model, looks at what is said and at what
is left in the cache, mends the thing, and asks again.
"""

import errno
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from support import hub_faults
from support.hub_faults import is_weights, refusing
from support.hub_folders import write_pythia
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import errors, load
from pythia_course.hub import addresses, downloads, failures, fetching, patience
from pythia_course.machine import bars, budget

PYTHIA = "EleutherAI/pythia-160m"
IDS = torch.tensor([[5, 17, 42, 99, 3]])


@pytest.fixture
def stage(hub, tmp_path, monkeypatch):  # noqa: F811
    """A hub with Pythia-160M's id, whose folder `stage.folder` is its step 3000; waits are noted, not waited."""
    folders = {branch: tmp_path / branch for branch in ("main", "step3000", "step4000")}
    for seed, folder in enumerate(folders.values()):
        write_pythia(folder, seed)
    hub.repositories[PYTHIA] = folders
    hub.folder, hub.patch, hub.naps = folders["step3000"], monkeypatch, []
    monkeypatch.setattr(patience.time, "sleep", hub.naps.append)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.4)
    for module in (failures, hub_module()):
        monkeypatch.setattr(module, "SECONDS_TO_ANSWER", 0.4)
    return hub


def hub_module():
    return sys.modules["pythia_course.hub.fetching"]


def change(folder, file="config.json", **fields):
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def pickled(folder, **extra):
    """Turn a folder's weights into a pickle, as early checkpoints have them."""
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    torch.save(tensors | extra, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def sharded(folder, index):
    """Turn a folder's weights into one shard, listed by this text."""
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(index)


def the_same_model(lm, folder) -> bool:
    return torch.equal(lm.model(IDS).logits, load(folder).model(IDS).logits)


# ----------------------------------------------------------------------------------------------------- the table


@contextmanager
def answering(stage, fault):
    """The hub answers with a fault, and later no more."""
    stage.fault = fault
    yield
    stage.fault = None


def http(fault):
    """Break the hub with a fault that remembers nothing from one request to the next."""
    return lambda stage: answering(stage, fault)


@contextmanager
def other_hub(stage, address):
    """The hub's address leads to `address` instead."""
    with stage.patch.context() as patch:
        patch.setattr(constants, "ENDPOINT", address)
        yield


@contextmanager
def resolver(stage, look_up):
    """The name of the hub is looked up by `look_up`."""
    real = socket.getaddrinfo

    def getaddrinfo(host, *rest, **options):
        return (look_up if host == "hub.example" else real)(host, *rest, **options)

    with other_hub(stage, "http://hub.example"), stage.patch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


def no_such_name(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def no_answer(*_, **__):
    threading.Event().wait(3)
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


@contextmanager
def repaired(stage, spoil):
    """A file in the repository is spoilt, and later put right by a new commit."""
    kept = {path.name: path.read_bytes() for path in stage.folder.iterdir()}
    spoil(stage.folder)
    yield
    for path in stage.folder.iterdir():
        path.unlink()
    for name, content in kept.items():
        (stage.folder / name).write_bytes(content)


def spoilt(spoil):
    return lambda stage: repaired(stage, spoil)


@contextmanager
def hidden(stage, branch=None):
    """The repository, or one branch of it, is not there yet."""
    kept = stage.repositories[PYTHIA]
    if branch is None:
        del stage.repositories[PYTHIA]
    else:
        stage.repositories[PYTHIA] = {name: folder for name, folder in kept.items() if name != branch}
    yield
    stage.repositories[PYTHIA] = kept


@contextmanager
def full_disk(stage):
    """Every write to the file that the weights go to says that the disk is full, as /dev/full does."""
    digest = stage.files(stage.folder)["model.safetensors"]["lfs"]["oid"]
    partial = stage.cache / "models--EleutherAI--pythia-160m/blobs" / f"{digest}.incomplete"
    partial.parent.mkdir(parents=True)
    partial.symlink_to("/dev/full")
    yield
    assert not partial.exists()


@contextmanager
def little(stage, module, function, amount):
    """The system says that little is left."""
    with stage.patch.context() as patch:
        patch.setattr(module, function, lambda *_: amount)
        patch.setattr(budget, "_ALWAYS_FITS", 0)
        yield


def no_hashes(handler):
    """A hub, or a copy of it, whose listing has neither sizes nor hashes."""
    handler.path = handler.path.partition("?")[0]
    return False


class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.environ["TRAP"],))


GATE = refusing(403, "GatedRepo", "Access to model is restricted")
GATE_401 = refusing(401, "GatedRepo", "Access to model is restricted")
BAD_TOKEN = refusing(401, "", "Invalid credentials in Authorization header")
NOT_FOUND = refusing(404, "EntryNotFound", "Entry not found", only=is_weights)
FAR_TOO_BUSY = refusing(429, headers={"Retry-After": "1200"})


@dataclass(frozen=True)
class Fault:
    """One row: what is broken, what is said, and what was asked for."""

    id: str
    breaks: Callable  # stage -> a context manager: broken inside, mended after it
    error: type
    words: tuple[str, ...]
    kept: int | None = None  # bytes of the weights that stay, where it broke in their middle
    ask: tuple = (PYTHIA, 3000)


FAULTS = [
    Fault("unknown model", hidden, errors.ModelNotFound, ("no model EleutherAI/pythia-160m", "did you mean")),
    Fault(
        "unknown step",
        lambda stage: hidden(stage, "step3000"),
        errors.StepNotFound,
        ("No pythia-160m checkpoint at step 3000", "nearest is 4000"),
    ),
    Fault(
        "no network",
        lambda stage: other_hub(stage, "http://127.0.0.1:9"),
        errors.HubUnreachable,
        ("not on this machine yet", "cannot be reached", "Connection refused", "tiny-pythia"),
    ),
    Fault("no answer", http(hub_faults.silent), errors.HubUnreachable, ("cannot be reached", "0.4 seconds")),
    Fault(
        "unknown host",
        lambda stage: resolver(stage, no_such_name),
        errors.HubUnreachable,
        ("cannot be reached", "Name or service not known"),
    ),
    Fault(
        "name server silent",
        lambda stage: resolver(stage, no_answer),
        errors.HubUnreachable,
        ("cannot be reached", "no answer within"),
    ),
    Fault(
        "offline mode",
        lambda stage: little(stage, constants, "is_offline_mode", True),
        errors.HubUnreachable,
        ("HF_HUB_OFFLINE is set",),
    ),
    Fault("login page", http(hub_faults.login_page), errors.HubUnreachable, ("is not the hub", "log in")),
    Fault("gated, 403", http(GATE), errors.ModelNotFound, ("is gated", "accept its terms")),
    Fault("gated, 401", http(GATE_401), errors.ModelNotFound, ("is gated", "accept its terms")),
    Fault("bad token", http(BAD_TOKEN), errors.ModelNotFound, ("does not accept your login", "401")),
    Fault("forbidden", http(refusing(403)), errors.ModelNotFound, ("may not read", "403", "filter")),
    Fault("file missing", http(NOT_FOUND), errors.HubUnreachable, ("lists model.safetensors", "404")),
    Fault("too busy", http(FAR_TOO_BUSY), errors.HubUnreachable, ("busy (429)", "in 20 min")),
    Fault("busy, no time named", http(refusing(429)), errors.HubUnreachable, ("busy (429)", "in some minutes")),
    *(
        Fault(f"{status}, {what}", http(fault), errors.HubUnreachable, (f"answered {status}", "in a minute"))
        for status in (500, 502, 503)
        for what, fault in (("weights", refusing(status, only=is_weights)), ("all", refusing(status)))
    ),
    Fault(
        "cut",
        lambda stage: answering(stage, hub_faults.cutting(100_000)),
        errors.HubUnreachable,
        ("Fetching model.safetensors of pythia-160m at step 3000 broke off", "0.1 MB of", "try again"),
        kept=100_000,
    ),
    Fault(
        "stalled",
        lambda stage: answering(stage, hub_faults.Stalling(70_000)),
        errors.HubUnreachable,
        ("broke off", "timed out", "0.1 MB of"),
        kept=70_000,
    ),
    Fault(
        "truncated",
        http(hub_faults.shortening(50_000)),
        errors.HubUnreachable,
        ("broke off", "sends no more", "0.1 MB of"),
        kept=50_000,
    ),
    Fault("flipped bit", http(hub_faults.flipping(99_999)), errors.ModelDamaged, ("hash differs", "thrown away")),
    Fault("flipped header", http(hub_faults.flipping(9)), errors.ModelDamaged, ("hash differs", "thrown away")),
    Fault(
        "other machine away",
        http(hub_faults.elsewhere("http://127.0.0.1:9")),
        errors.HubUnreachable,
        ("broke off", "Connection refused"),
    ),
    Fault("no hashes", http(no_hashes), errors.HubUnreachable, ("no sizes and hashes", "HF_ENDPOINT")),
    Fault("disk full", full_disk, errors.DiskFull, ("too full", "free some space")),
    Fault(
        "disk too small",
        lambda stage: little(stage, budget, "free_disk", 100_000),
        errors.DiskFull,
        ("more of the disk", "room for 0.1 MB", "HF_HUB_CACHE", "tiny-pythia still fits"),
    ),
    Fault(
        "memory too small",
        lambda stage: little(stage, budget, "available_memory", 100_000),
        errors.ModelTooLarge,
        ("pythia-160m at step 3000 takes 0.4 MB of memory in bfloat16", "room for 0.0 MB", "tiny-pythia still fits"),
    ),
    Fault(
        "malicious pickle",
        spoilt(lambda folder: pickled(folder, trap=Trap())),
        errors.ModelRefused,
        ("pickle", "more than numbers", "mkdir", "does not open it"),
    ),
    Fault(
        "code of its own",
        spoilt(lambda folder: change(folder, auto_map={"AutoModelForCausalLM": "modeling.Mine"})),
        errors.ModelRefused,
        ("never runs a model's code",),
    ),
    Fault(
        "another architecture",
        spoilt(lambda folder: change(folder, model_type="llama")),
        errors.ModelRefused,
        ("'llama'", "gpt_neox, gpt2, gpt_neo"),
    ),
    Fault(
        "malformed config",
        spoilt(lambda folder: (folder / "config.json").write_text('{"model_type": "gpt_')),
        errors.ModelDamaged,
        ("config.json of pythia-160m at step 3000 cannot be read", "the hub has it so"),
    ),
    Fault(
        "senseless config",
        spoilt(lambda folder: change(folder, hidden_size="wide")),
        errors.ModelDamaged,
        ("config.json of pythia-160m at step 3000 cannot be read", "the hub has it so"),
    ),
    Fault(
        "malformed tokenizer",
        spoilt(lambda folder: (folder / "tokenizer.json").write_text('{"model": 3}')),
        errors.ModelDamaged,
        ("tokenizer of pythia-160m at step 3000 cannot be read", "the hub has it so"),
    ),
    *(
        Fault(
            f"malformed index {number}",
            spoilt(lambda folder, index=index: sharded(folder, index)),
            errors.ModelDamaged,
            ("model.safetensors.index.json of pythia-160m at step 3000 cannot be read", "the hub has it so"),
        )
        for number, index in enumerate(("{", '{"weight_map": {"a": "../../../config.json"}}'))
    ),
    Fault(
        "weights of another model",
        spoilt(lambda folder: change(folder, num_hidden_layers=4)),
        errors.ModelDamaged,
        ("12 tensors are missing",),
    ),
    *(
        Fault(f"no {what}", spoilt(lambda folder, file=file: (folder / file).unlink()), errors.ModelNotFound, (said,))
        for what, file, said in (
            ("weights", "model.safetensors", "holds no weights that the course reads: it has no model.safetensors"),
            ("tokenizer", "tokenizer.json", "holds no tokenizer: it has no tokenizer.json"),
            ("config", "config.json", "holds no model: it has no config.json"),
        )
    ),
]


@pytest.mark.filterwarnings("ignore:.*weights in a pickle:UserWarning")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_a_fault_is_one_sentence_loses_nothing_and_the_next_try_succeeds(fault, stage, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "trapped"))
    start = time.perf_counter()
    with fault.breaks(stage):
        with pytest.raises(fault.error) as caught:
            load(*fault.ask)
    sentence = str(caught.value)
    assert time.perf_counter() - start < 12
    assert type(caught.value) is fault.error
    assert "\n" not in sentence and sentence[-1] in ".?" and [w for w in fault.words if w not in sentence] == []
    assert hub_faults.unsound(stage) == [] and not (tmp_path / "trapped").exists()
    starts = hub_faults.ranges(stage)
    lm = load(*fault.ask)
    assert (lm.name, lm.step) == ("pythia-160m", 3000) and the_same_model(lm, stage.folder)
    assert fault.kept is None or starts == [fault.kept]
    assert hub_faults.unsound(stage) == [] and list(stage.cache.rglob("*.incomplete")) == []


@pytest.mark.parametrize(
    "name",
    [
        "../../no/such", "EleutherAI/../secrets", "EleutherAI/pythia 160m", "a/b/c", "owner/--cache", "owner\\name",
        "https://huggingface.co/EleutherAI/pythia-160m", "EleutherAI/pythia-160m\n", "/etc", "~/../etc", "owner/.git",
    ],
)  # fmt: skip
def test_a_name_with_path_tricks_reaches_neither_hub_nor_disk(name, stage):
    said = "is a web address|is neither a model's name|is not a folder here|holds no model"
    with pytest.raises(errors.ModelNotFound, match=said) as caught:
        load(name)
    assert "\n" not in str(caught.value)
    assert stage.requests == [] and not stage.cache.exists()


def test_what_is_here_is_opened_whatever_the_network_does(stage):
    load(PYTHIA, 3000)
    stage.requests.clear()
    for breaks in (http(hub_faults.silent), lambda stage: other_hub(stage, "http://127.0.0.1:9"), http(GATE)):
        with breaks(stage):
            assert the_same_model(load(PYTHIA, 3000), stage.folder)
    assert stage.requests == []


# ------------------------------------------------------------------------------------ mended without a word


def test_a_busy_hub_is_waited_for_with_a_countdown(stage):
    heard = []

    class Progress:
        def __call__(self, done, total):
            heard.append(("bytes", done, total))

        def waiting(self, seconds):
            heard.append(("wait", seconds))

    busy = refusing(429, headers={"Retry-After": "3"}, times=1)
    stage.fault = refusing(429, headers={"RateLimit": '"resolvers";r=0;t=2'}, only=is_weights, times=1)
    later, stage.fault = stage.fault, lambda handler: busy(handler) or later(handler)
    assert the_same_model(load(PYTHIA, 3000, progress=Progress()), stage.folder)
    assert [wait[1] for wait in heard if wait[0] == "wait"] == [3, 2, 1, 2, 1] and stage.naps == [1] * 5
    assert heard[:3] == [("wait", 3), ("wait", 2), ("wait", 1)]
    last = heard[-1]
    assert last[0] == "bytes" and last[1] == last[2] > 100_000


def test_a_wait_until_a_moment_is_understood(stage):
    from email.utils import formatdate

    stage.fault = refusing(503, headers={"Retry-After": formatdate(time.time() + 5, usegmt=True)}, times=1)
    load(PYTHIA, 3000)
    assert 4 <= len(stage.naps) <= 5


def test_waits_add_up_to_a_limit(stage):
    stage.fault = refusing(429, headers={"Retry-After": "100"})
    with pytest.raises(errors.HubUnreachable, match="in 2 min"):
        load(PYTHIA, 3000)
    assert len(stage.naps) == patience.LONGEST_WAIT


def test_without_a_terminal_a_wait_is_one_line(stage, capfd):
    stage.fault = refusing(429, headers={"Retry-After": "3"}, times=2)
    load(PYTHIA, 3000)
    err = capfd.readouterr().err.splitlines()
    assert err == ["pythia-160m at step 3000: the hub is busy and asks to wait, going on in 3 s"]


def test_a_hiccup_is_asked_again_once(stage):
    stage.fault = refusing(502, times=1)
    assert the_same_model(load(PYTHIA, 3000), stage.folder)
    assert stage.naps == [1]


def test_a_connection_cut_again_and_again_goes_on_where_it_was(stage):
    starts = hub_faults.ranges(stage, hub_faults.cutting(1000, 70_000, 200_000, 10**9))
    assert the_same_model(load(PYTHIA, 3000), stage.folder)
    assert starts == [0, 1000, 71_000, 271_000]


def test_a_server_without_ranges_begins_anew_and_ends_right(stage):
    with answering(stage, hub_faults.cutting(30_000)), pytest.raises(errors.HubUnreachable):
        load(PYTHIA, 3000)
    stage.fault = hub_faults.without_ranges
    assert the_same_model(load(PYTHIA, 3000), stage.folder)


def test_progress_goes_on_from_what_is_here(stage):
    with answering(stage, hub_faults.cutting(150_000)), pytest.raises(errors.HubUnreachable):
        load(PYTHIA, 3000)
    plan, seen = fetching.download_plan(PYTHIA, 3000), []
    size = (stage.folder / "model.safetensors").stat().st_size
    assert plan.bytes_to_download == size - 150_000
    load(PYTHIA, 3000, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (size - 150_000,) * 2


def test_large_files_on_another_machine_are_fetched_from_there(stage):
    from support.hub_server import Hub

    with Hub() as other:
        other.repositories = stage.repositories
        starts = hub_faults.ranges(other, hub_faults.cutting(5000, 10**9))
        stage.fault = hub_faults.elsewhere(other.url)
        assert the_same_model(load(PYTHIA, 3000), stage.folder)
    assert starts == [0, 5000]


def test_a_bit_that_fell_over_on_the_way_is_not_resumed_from(stage):
    """The part that came is kept when the connection breaks, but a wrong bit in it is found in the end."""
    with answering(stage, hub_faults.cutting(40_000)), pytest.raises(errors.HubUnreachable):
        load(PYTHIA, 3000)
    (partial,) = stage.cache.rglob("*.incomplete")
    content = bytearray(partial.read_bytes())
    content[10] ^= 1
    partial.write_bytes(content)
    with pytest.raises(errors.ModelDamaged, match="hash differs"):
        load(PYTHIA, 3000)
    assert the_same_model(load(PYTHIA, 3000), stage.folder)


# ------------------------------------------------------------------------------------------------- the cache


def blob(stage, file="model.safetensors"):
    return next(stage.cache.glob(f"models--*/snapshots/*/{file}")).resolve()


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_file_that_the_disk_damaged_is_removed_and_fetched_anew(file, stage):
    load(PYTHIA, 3000)
    content = blob(stage, file).read_bytes()
    blob(stage, file).write_bytes(content[: len(content) // 2])
    with pytest.raises(errors.ModelDamaged, match=f"^{file} of pythia-160m at step 3000 was damaged on this disk"):
        load(PYTHIA, 3000)
    starts = hub_faults.ranges(stage)
    assert the_same_model(load(PYTHIA, 3000), stage.folder)
    assert starts == ([0] if file == "model.safetensors" else [])  # what was whole is still there


def test_a_cache_on_a_disk_without_links_holds_the_files_themselves(stage, monkeypatch):
    def no_links(*_, **__):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", no_links)
    load(PYTHIA, 3000)
    stage.requests.clear()
    assert the_same_model(load(PYTHIA, 3000), stage.folder) and stage.requests == []
    snapshot = next(stage.cache.glob("models--*/snapshots/*"))
    assert not any(path.is_symlink() for path in snapshot.iterdir())
    (snapshot / "tokenizer.json").write_text("{}")
    with pytest.raises(errors.ModelDamaged, match="^tokenizer.json of .* was damaged on this disk"):
        load(PYTHIA, 3000)
    assert the_same_model(load(PYTHIA, 3000), stage.folder)


@pytest.fixture
def shared(stage, monkeypatch):
    """A classroom's cache that holds step 3000 complete and half of step 4000, and may only be read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # pytest's own folders are closed to others
        stage.repositories[PYTHIA] = {
            branch: Path(shutil.copytree(path, Path(folder, branch)))
            for branch, path in stage.repositories[PYTHIA].items()
        }
        stage.cache = Path(folder, "cache")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(stage.cache))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(stage.cache / "token"))
        load(PYTHIA, 3000)
        with answering(stage, hub_faults.cutting(60_000)), pytest.raises(errors.HubUnreachable):
            load(PYTHIA, 4000)
        with read_only(stage.cache):
            yield stage


@contextmanager
def read_only(root):
    """Nobody may write below `root`; root, who may everything, becomes somebody else meanwhile."""
    everything = [root, *root.rglob("*")]
    for path in everything:
        path.is_symlink() or path.chmod(0o555 if path.is_dir() else 0o444)
    superuser = hasattr(os, "geteuid") and os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        with pytest.raises(OSError):
            (root / "written").touch()
        yield
    finally:
        if superuser:
            os.seteuid(0)
        for path in everything:
            path.is_symlink() or path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_read_only_cache_opens_what_is_complete(shared):
    shared.requests.clear()
    assert load(PYTHIA, 3000).step == 3000 and shared.requests == []


@pytest.mark.parametrize("step", [4000, None])
def test_a_read_only_cache_that_lacks_a_model_says_whom_to_ask(step, shared):
    with pytest.raises(errors.HubUnreachable) as caught:
        load(PYTHIA, step)
    said = str(caught.value)
    assert "cannot be written to" in said and str(shared.cache) in said and "set HF_HUB_CACHE" in said


# ------------------------------------------------------------------------------------------------ pickles


def test_weights_in_a_pickle_are_read_as_numbers_after_saying_so(stage):
    expected = load(stage.folder).model(IDS).logits
    pickled(stage.folder)
    assert "pytorch_model.bin" in fetching.download_plan(PYTHIA, 3000).note
    with pytest.warns(UserWarning, match=r"pythia-160m keeps its weights in a pickle .* only numbers are read") as said:
        lm = load(PYTHIA, 3000)
    assert said[0].filename == __file__
    assert torch.equal(lm.model(IDS).logits, expected)
    stage.requests.clear()
    with pytest.warns(UserWarning):
        assert torch.equal(load(PYTHIA, 3000).model(IDS).logits, expected) and stage.requests == []


def test_a_pickle_in_shards_arrives_whole(stage):
    from safetensors.torch import load_file

    expected, folder = load(stage.folder).model(IDS).logits, stage.folder
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    where = {name: f"pytorch_model-0000{1 + n % 2}-of-00002.bin" for n, name in enumerate(sorted(tensors))}
    for file in set(where.values()):
        torch.save({name: tensors[name] for name in where if where[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    with pytest.warns(UserWarning, match="pickle"):
        assert torch.equal(load(PYTHIA, 3000).model(IDS).logits, expected)


def test_safetensors_are_preferred_to_a_pickle(stage):
    (stage.folder / "pytorch_model.bin").write_bytes(b"never opened")
    assert the_same_model(load(PYTHIA, 3000), stage.folder)
    assert not any("pytorch_model" in request for request in stage.requests)


# ------------------------------------------------------------------------------------ kernels side by side, and gone

FETCH = "from pythia_course.hub import fetching, addresses; print(fetching.fetch(addresses.find('pythia-160m', 3000)))"


@pytest.fixture
def kernel(stage):
    """Starts another Python process that fetches step 3000 from the same hub into the same cache."""
    started = []
    environment = os.environ | {"HF_ENDPOINT": stage.url, "HF_HUB_CACHE": str(stage.cache), "OMP_NUM_THREADS": "1"}

    def start():
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", FETCH], env=environment, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def partial_bytes(stage, count):
    """Wait until so many bytes of the weights are on the disk."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if any(path.stat().st_size == count for path in stage.cache.rglob("*.incomplete")):
            return True
        threading.Event().wait(0.02)
    return False


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_a_kernel_stopped_in_the_middle_leaves_what_the_next_one_goes_on_from(end, stage, kernel):
    stage.fault = hub_faults.Stalling(123_456)
    process = kernel()
    assert partial_bytes(stage, 123_456)
    process.send_signal(end)
    said = process.communicate(timeout=30)[1].strip().splitlines()
    assert process.returncode != 0
    if end == signal.SIGINT:
        assert said[-1] == (
            "KeyboardInterrupt: Stopped; what has come of pythia-160m at step 3000 is kept, and the next try fetches "
            "only the rest."
        )
    stage.fault.go_on.set()
    assert hub_faults.unsound(stage) == []
    starts = hub_faults.ranges(stage)
    assert the_same_model(load(PYTHIA, 3000), stage.folder)
    assert starts == [123_456] and list(stage.cache.rglob("*.incomplete")) == []


def test_two_kernels_at_once_fetch_it_once(stage, kernel):
    slow = hub_faults.Stalling(50_000)
    starts = hub_faults.ranges(stage, slow)
    other = kernel()
    assert partial_bytes(stage, 50_000)
    seen, folders, place = [], [], addresses.find(PYTHIA, 3000)
    progress = lambda *now: seen.append(now)  # noqa: E731
    here = threading.Thread(target=lambda: folders.append(fetching.fetch(place, progress=progress)))
    here.start()
    threading.Event().wait(1)
    slow.go_on.set()
    out, err = other.communicate(timeout=60)
    here.join(30)
    assert (other.returncode, out.strip(), starts) == (0, str(folders[0]), [0]), err
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]  # it counted what another kernel brought
    assert the_same_model(load(PYTHIA, 3000), stage.folder) and hub_faults.unsound(stage) == []


def test_on_a_disk_that_grants_a_lock_to_all_both_end_right(stage, monkeypatch):
    monkeypatch.setattr(downloads, "_alone", lambda *_: nullcontext())
    slow, place = hub_faults.Stalling(50_000), addresses.find(PYTHIA, 3000)
    starts, failed = hub_faults.ranges(stage, slow), []

    def fetch():
        try:
            fetching.fetch(place, progress=lambda *_: None)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
        while len(starts) < len([one for one in threads if one.ident]) and thread.is_alive():
            threading.Event().wait(0.02)
        assert partial_bytes(stage, 50_000)
    slow.go_on.set()
    for thread in threads:
        thread.join(30)
    assert failed == [] and len(starts) == 2
    assert the_same_model(load(PYTHIA, 3000), stage.folder) and hub_faults.unsound(stage) == []


# ------------------------------------------------------------------------------------------------ in a notebook


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_the_wait_is_counted_down_and_the_line_is_gone_in_the_end(stage, monkeypatch):
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    monkeypatch.setattr(bars, "SECONDS_BEFORE_IT_SHOWS", 1e-6)
    monkeypatch.setattr(bars, "SECONDS_BETWEEN_WORDS", -1)
    stage.fault = refusing(429, headers={"Retry-After": "2"}, times=1)
    load(PYTHIA, 3000)
    shown = [line.strip() for line in screen.getvalue().split("\r")]
    counted = [line for line in shown if "asks to wait, going on in" in line]
    assert ["2 s" in counted[0], "1 s" in counted[-1]] == [True, True] and shown[-1] == ""
    assert "\n" not in screen.getvalue()


def test_a_download_and_a_wait_leave_no_text_in_a_notebook(stage):
    """A stored output is compared with the next run's, which may have nothing to fetch."""
    import nbformat
    from nbclient import NotebookClient

    settings = {"HF_ENDPOINT": stage.url, "HF_HUB_CACHE": str(stage.cache)}
    stage.fault = refusing(429, headers={"Retry-After": "4"}, only=is_weights, times=1)
    cell = f"import os\nos.environ.update({settings!r})\n{FETCH.replace('print', 'folder = str')}"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    assert [set(output["data"]) for output in outputs] == [set()]  # a bar was there, and took itself away
    assert list(stage.cache.glob("models--*/snapshots/*/model.safetensors"))
