"""Where a model goes: one device, or several by way of accelerate.

There is no graphics card here: what a card would change is tried with stand-ins for torch's questions, and spreading
itself with layers that accelerate fetches from the disk, by the same hooks that move numbers between cards.
"""

import pytest
import torch
from support.hub_folders import write_gpt2, write_gpt_neo, write_pythia

from pythia_course import load
from pythia_course.machine import devices
from pythia_course.machine.devices import Placement, placement

GB = 10**9
FIELDS = ("attention", "residual", "attn_out", "mlp_out", "queries", "keys", "values", "logits", "queries_unrotated")
LAYOUTS = {
    "gpt_neox": (write_pythia, "gpt_neox", "layers", ("embed_in", "rotary_emb", "emb_dropout"), "final_layer_norm"),
    "gpt2": (write_gpt2, "transformer", "h", ("wte", "wpe", "drop"), "ln_f"),
    "gpt_neo": (write_gpt_neo, "transformer", "h", ("wte", "wpe", "drop"), "ln_f"),
}


@pytest.fixture
def machine(monkeypatch):
    """Makes torch say that the machine has so many graphics cards, each with 80 GB of which 70 are free."""

    def pretend(cards=0, mps=False, accelerate=True, memory=100 * GB):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (70 * GB, 80 * GB))
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(devices, "find_spec", lambda name: object() if accelerate else None)
        monkeypatch.setattr(devices, "memory_for_weights", lambda: memory)

    pretend()
    return pretend


@pytest.mark.parametrize(
    ("there", "device", "expected", "room"),
    [
        ({}, "cpu", Placement("cpu"), 100),
        ({}, "auto", Placement("cpu"), 100),
        ({"mps": True}, "auto", Placement(device_map={"": "mps"}), 100),
        ({"mps": True, "accelerate": False}, "mps", Placement("mps"), 100),
        ({"cards": 1}, "auto", Placement(device_map="auto"), 170),
        ({"cards": 1, "accelerate": False}, "auto", Placement("cuda:0"), 70),
        ({"cards": 1, "accelerate": False, "memory": 30 * GB}, "cuda", Placement("cuda"), 30),  # on its way there
        ({"cards": 1, "memory": 30 * GB}, "cuda", Placement(device_map={"": "cuda"}), 70),
        ({"cards": 2}, "auto", Placement(device_map="auto"), 240),
        ({"cards": 2}, "cuda:1", Placement(device_map={"": "cuda:1"}), 70),
        ({"cards": 2}, {"a": 0, "b": 1}, Placement(device_map={"a": 0, "b": 1}), 140),
        ({"cards": 2}, torch.device("cuda", 0), Placement(device_map={"": "cuda:0"}), 70),
    ],
)
def test_a_device_is_read_and_its_room_counted(there, device, expected, room, machine):
    machine(**there)
    assert placement(device) == expected
    assert placement(device).room() == room * GB


@pytest.mark.parametrize(
    ("there", "device", "said"),
    [
        ({}, "cuda", 'torch finds no cuda on this machine, only cpu: device="auto" takes the best.'),
        ({"cards": 2}, "cuda:2", "torch finds no cuda:2 on this machine, only cpu, cuda:0, cuda:1"),
        ({"cards": 1}, "mps", "torch finds no mps"),
        ({}, "gpu", 'device is "cpu", "cuda", "cuda:1", "mps" or "auto", but \'gpu\' came.'),
        ({}, None, "but 'None' came"),
        ({}, {"": 99}, "torch finds no cuda:99 on this machine, only cpu"),
    ],
)
def test_a_device_that_is_not_there_is_said(there, device, said, machine):
    machine(**there)
    with pytest.raises(ValueError) as caught:
        placement(device)
    assert said in str(caught.value)


@pytest.mark.parametrize("device", ["auto", {"": "cpu"}])
def test_spreading_without_accelerate_says_how_to_install_it(device, machine):
    machine(cards=2, accelerate=False)
    with pytest.raises(ImportError, match="run `pip install accelerate` and restart the kernel"):
        placement(device)


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", None), ("auto", "auto"), ({"": "cpu"}, {"": "cpu"}), ("cuda:1", {"": "cuda:1"})],
    ids=["cpu", "auto", "dict", "card"],
)
def test_the_library_is_told_where_to_put_the_weights(device, expected, machine, monkeypatch, tmp_path):
    from transformers import GPTNeoXForCausalLM

    machine(cards=2)
    write_pythia(tmp_path)
    told = []
    real = GPTNeoXForCausalLM.from_pretrained

    def from_pretrained(*args, device_map, **options):
        told.append(device_map)
        return real(*args, **options)

    monkeypatch.setattr(GPTNeoXForCausalLM, "from_pretrained", from_pretrained)
    load(tmp_path, device=device)
    assert told == [expected]


@pytest.mark.parametrize("family", LAYOUTS)
@pytest.mark.parametrize("far", ["every second layer", "all but the last LayerNorm"])
def test_a_trace_of_a_model_that_is_spread_is_the_same(family, far, tmp_path, capfd):
    write, root, layers, front, last = LAYOUTS[family]
    write(tmp_path)
    near = load(tmp_path)
    first = "disk" if far.startswith("all") else "cpu"
    device_map = {f"{root}.{part}": first for part in front} | {"lm_head": first, f"{root}.{last}": "cpu"}
    for layer in range(near.spec.layers):
        device_map[f"{root}.{layers}.{layer}"] = "disk" if layer % 2 else first
    spread = load(tmp_path, device=device_map)
    assert any(parameter.device.type == "meta" for parameter in spread.model.parameters())  # it is not all here
    text = "The cat sat on the mat"
    expected, found = near.trace(text, unrotated=True), spread.trace(text, unrotated=True)
    for name in FIELDS:
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
        assert getattr(found, name).device.type == "cpu"
    assert spread.predict(text) == near.predict(text)
    assert "float32 on cpu, disk" in spread._repr_html_()
    assert capfd.readouterr().err == ""
