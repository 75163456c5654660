"""Models from a hub, over real HTTP on this machine: what is fetched and kept, and what is said before anything is.

What goes wrong on the way is in test_faults.
"""

import json
import re
import time

import pytest
import torch
from support.hub_folders import write_gpt2, write_pythia
from support.hub_server import hub_fixture  # noqa: F401

from pythia_course import errors, load, suite
from pythia_course.hub.fetching import download_plan

IDS = torch.tensor([[5, 17, 42, 99, 3]])


@pytest.fixture
def pythia(hub, tmp_path):
    """The hub with three checkpoints of a small model under Pythia-160M's id, and files nobody needs."""
    branches = {branch: tmp_path / branch for branch in ("main", "step3000", "step4000")}
    for seed, folder in enumerate(branches.values()):
        write_pythia(folder, seed)
        (folder / "README.md").write_text("# Pythia")
        (folder / "pytorch_model.bin").write_bytes(b"pickle" * 100)
    hub.repositories["EleutherAI/pythia-160m"] = branches
    return hub


def fetched(server):
    """Names of the files whose bytes were sent."""
    asked = (re.fullmatch(r"GET /.+/resolve/[^/]+/(.+)", request) for request in server.requests)
    return [match[1] for match in asked if match]


def leftovers(server):
    """Half-written files in the cache."""
    return [path for path in server.cache.rglob("*") if path.suffix in (".incomplete", ".tmp")]


def failure(error, *args, **options):
    """The sentence that `load` fails with."""
    with pytest.raises(error) as caught:
        load(*args, **options)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence[-1] in ".?" and caught.value.__cause__ is None
    return sentence


# --------------------------------------------------------------------------------------------- what works


def test_a_step_of_a_pythia_is_a_branch(pythia, tmp_path):
    lm = load("pythia-160m", step=3000)
    assert (lm.name, lm.step) == ("pythia-160m", 3000)
    assert "GET /api/models/EleutherAI/pythia-160m/revision/step3000?blobs=true" in pythia.requests
    by_folder = load(tmp_path / "step3000")
    assert torch.equal(lm.model(IDS).logits, by_folder.model(IDS).logits)


def test_the_last_step_is_main(pythia):
    last = load("EleutherAI/pythia-160m")
    assert (last.name, last.step) == ("pythia-160m", 143_000)
    pythia.requests.clear()
    assert load("pythia-160m", step=143_000).step == 143_000
    assert pythia.requests == []


def test_only_what_opening_takes_is_fetched_and_the_weights_come_last(pythia):
    load("pythia-160m")
    names = fetched(pythia)
    assert names[0] == "config.json" and names[-1] == "model.safetensors"
    assert set(names[1:-1]) == {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert leftovers(pythia) == []


def test_what_is_here_is_opened_without_asking(pythia):
    first = load("pythia-160m", step=3000)
    pythia.requests.clear()
    again = load("pythia-160m", step=3000)
    assert pythia.requests == []
    pythia.close()
    assert torch.equal(first.model(IDS).logits, again.model(IDS).logits)
    assert load("pythia-160m", step=3000, local_only=True).step == 3000


def test_checkpoints_share_what_they_have_in_common(pythia):
    load("pythia-160m", step=3000)
    pythia.requests.clear()
    load("pythia-160m", step=4000)
    assert fetched(pythia) == ["model.safetensors"]


def test_progress_counts_every_byte(pythia):
    seen = []
    planned = download_plan("pythia-160m", 3000).bytes_to_download
    load("pythia-160m", step=3000, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]
    config = pythia.repositories["EleutherAI/pythia-160m"]["step3000"] / "config.json"
    assert seen[-1][1] == planned - config.stat().st_size  # the plan itself had to read the config
    load("pythia-160m", step=4000, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (seen[-1][1],) * 2


def test_progress_replaces_the_bar(pythia, capfd):
    load("pythia-160m", step=3000, progress=lambda done, total: None)
    assert capfd.readouterr().err == ""


def test_any_owner_and_branch(hub, tmp_path):
    write_gpt2(tmp_path / "main")
    write_gpt2(tmp_path / "step7", seed=7)
    hub.repositories["somebody/gpt2-in-french"] = {"main": tmp_path / "main", "step7": tmp_path / "step7"}
    lm, early = load("somebody/gpt2-in-french"), load("somebody/gpt2-in-french", step=7)
    assert (lm.name, lm.step, early.step) == ("somebody/gpt2-in-french", None, 7)
    assert not torch.equal(lm.model(IDS).logits, early.model(IDS).logits)


def test_sharded_weights_arrive_whole(pythia, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "main"
    tensors = load_file(folder / "model.safetensors")
    whole = load(folder).model(IDS).logits
    (folder / "model.safetensors").unlink()
    where = {name: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, name in enumerate(sorted(tensors))}
    for file in set(where.values()):
        save_file({name: tensors[name] for name in where if where[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    assert torch.equal(load("pythia-160m").model(IDS).logits, whole)
    pythia.close()
    assert load("pythia-160m").step == 143_000


# --------------------------------------------------------------------------------------------- plans


def test_a_plan_fetches_no_weights_and_is_honest_about_the_cache(pythia):
    plan = download_plan("pythia-160m", step=3000)
    assert fetched(pythia) == ["config.json"]
    assert (plan.hub_id, plan.revision) == ("EleutherAI/pythia-160m", "step3000")
    folder = pythia.repositories["EleutherAI/pythia-160m"]["step3000"]
    sizes = {file: (folder / file).stat().st_size for file in plan.files}
    assert (plan.files, plan.bytes_to_download, plan.bytes_cached) == (sizes, sum(sizes.values()), 0)
    lm = load("pythia-160m", step=3000)
    assert plan.memory_needed == 4 * suite.total(lm.spec)
    assert download_plan("pythia-160m", 3000, dtype="bfloat16").memory_needed == 2 * suite.total(lm.spec)
    after = download_plan("pythia-160m", step=3000)
    assert (after.bytes_to_download, after.bytes_cached) == (0, sum(sizes.values()))


def test_a_plan_counts_what_another_checkpoint_brought(pythia):
    load("pythia-160m", step=3000)
    plan = download_plan("pythia-160m", step=4000)
    assert plan.bytes_to_download == plan.files["model.safetensors"]
    assert plan.bytes_cached == sum(plan.files.values()) - plan.bytes_to_download


def test_a_plan_needs_no_network_for_what_is_here(pythia):
    load("pythia-160m")
    pythia.close()
    assert download_plan("pythia-160m").bytes_to_download == 0
    with pytest.raises(errors.HubUnreachable):
        download_plan("pythia-160m", 3000)


# ----------------------------------------------------------------------------- what costs no download


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pythia-161m", "The course has no model called 'pythia-161m'; did you mean \"pythia-160m\"?"),
        ("tiny-pithia", 'did you mean "tiny-pythia"?'),
        ("zzzz", "no model called 'zzzz'. Others need their owner"),
        ("", 'A model needs a name, as in load("pythia-160m")'),
        ("  ", "A model needs a name"),
        ("https://huggingface.co/EleutherAI/pythia-160m", "is a web address"),
    ],
)
def test_what_is_no_name_is_refused_without_asking(name, said, hub):
    assert said in failure(errors.ModelNotFound, name)
    assert hub.requests == [] and not hub.cache.exists()


def test_an_unknown_model_names_the_nearest(pythia):
    said = failure(errors.ModelNotFound, "EleutherAI/pythia-161m")
    assert said == ('The hub has no model EleutherAI/pythia-161m, or it is private; did you mean "pythia-160m"?')
    assert not pythia.cache.exists()


@pytest.mark.parametrize(
    ("name", "step", "said"),
    [
        ("pythia-160m", 1500, "No Pythia checkpoint at step 1500; the nearest are 1000 and 2000."),
        ("pythia-160m", 200_000, "No Pythia checkpoint at step 200000; the nearest is 143000."),
        ("pythia-160m", -1, "No Pythia checkpoint at step -1; the nearest is 0."),
        ("pythia-160m", "3000", "A step is a whole number such as 3000, but '3000' came."),
        ("pythia-160m", 2.5, "A step is a whole number such as 3000, but 2.5 came."),
        ("gpt2", 3000, "gpt2 was published only once trained, so it has no step 3000"),
        ("gpt-neo-125m", 3, "gpt-neo-125m was published only once trained"),
    ],
)
def test_a_step_that_no_such_model_has_is_refused_without_asking(name, step, said, hub):
    assert failure(errors.StepNotFound, name, step).startswith(said)
    assert hub.requests == []


def test_a_step_missing_on_the_hub_names_those_there(pythia):
    assert failure(errors.StepNotFound, "pythia-160m", 5000) == (
        "No pythia-160m checkpoint at step 5000; the nearest is 4000."
    )
    pythia.repositories["somebody/model"] = {"main": pythia.repositories["EleutherAI/pythia-160m"]["main"]}
    said = failure(errors.StepNotFound, "somebody/model", 5)
    assert said == "somebody/model has no training checkpoints on the hub: leave step out."
    assert not pythia.cache.exists()


def test_without_a_network(pythia):
    load("pythia-160m", step=3000)
    pythia.close()
    start = time.perf_counter()
    said = failure(errors.HubUnreachable, "pythia-160m", step=4000)
    assert time.perf_counter() - start < 3
    assert said.startswith("pythia-160m at step 4000 is not on this machine yet, and the hub cannot be ")
    assert load("pythia-160m", step=3000).step == 3000


def test_in_offline_mode(pythia, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in failure(errors.HubUnreachable, "pythia-160m")
    assert pythia.requests == []


def test_local_only_does_not_ask(pythia):
    said = failure(errors.ModelNotFound, "pythia-160m", step=3000, local_only=True)
    assert said.startswith("pythia-160m at step 3000 is not on this machine yet")
    assert pythia.requests == []


@pytest.fixture
def strange(pythia, tmp_path):
    """The hub with one repository, "somebody/strange", whose folder a test spoils."""
    pythia.repositories["somebody/strange"] = {"main": tmp_path / "main"}
    pythia.folder = tmp_path / "main"
    return pythia


def spoil_config(server, **fields):
    path = server.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_another_architecture_costs_only_its_config(strange):
    spoil_config(strange, model_type="llama")
    assert failure(errors.ModelRefused, "somebody/strange") == (
        "somebody/strange is a model of type 'llama', and the course understands gpt_neox, gpt2, gpt_neo."
    )
    assert fetched(strange) == ["config.json"]
    with pytest.raises(errors.ModelRefused):
        download_plan("somebody/strange")


def test_code_of_its_own_is_refused(strange):
    spoil_config(strange, auto_map={"AutoModelForCausalLM": "modeling.Mine"})
    (strange.folder / "modeling.py").write_text("raise SystemExit")
    assert "never runs a model's code" in failure(errors.ModelRefused, "somebody/strange")
    assert fetched(strange) == ["config.json"]


# ------------------------------------------------------------------------------------------ the server itself


def test_the_server_speaks_the_hub_s_language(pythia):
    """Against the client's other calls, which the course's next lessons need."""
    import huggingface_hub

    api = huggingface_hub.HfApi()
    branches = {branch.name for branch in api.list_repo_refs("EleutherAI/pythia-160m").branches}
    assert branches == {"main", "step3000", "step4000"}
    tree = {file.path: file for file in api.list_repo_tree("EleutherAI/pythia-160m", revision="step3000")}
    (weights,) = api.get_paths_info("EleutherAI/pythia-160m", ["model.safetensors"], revision="step3000")
    assert weights.lfs.sha256 == tree["model.safetensors"].lfs.sha256 and tree["config.json"].lfs is None
    folder = huggingface_hub.snapshot_download("EleutherAI/pythia-160m", revision="step3000")
    assert load(folder).spec.layers == 3
    url = huggingface_hub.hf_hub_url("EleutherAI/pythia-160m", "model.safetensors", revision="step3000")
    reply = huggingface_hub.get_session().get(url, headers={"Range": "bytes=8-15"})
    whole = (pythia.repositories["EleutherAI/pythia-160m"]["step3000"] / "model.safetensors").read_bytes()
    assert (reply.status_code, reply.content) == (206, whole[8:16])
