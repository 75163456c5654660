"""Does the page compute what torch computes?  Token ids exactly, every array within 1e-4, under every intervention.

torch computes in float64 here: in float32, its own sums are up to 2e-4 away from that, in the last layer's MLP, where
large numbers cancel. So a number x may be 1e-4 + 1e-5 |x| away.
"""

import pytest
from safetensors.torch import load_file
from support.live import Reference, files_of, in_node, prompts

import pythia_course
from pythia_course import suite
from pythia_course.inside.tracing import AXES

NEAR = 1e-4
FEW = ("Then Mia and Tom went to the park. Then Tom gave the ball to", "M", "don't 木's <|endoftext|>\n\n 12")
CLEAN, OTHER, LONGER = "Then Mia lost the red ball.", "Then Tom lost the red book.", "Then Tom lost the red book. Then"


def changes_of(spec):
    """Interventions of every kind, also on one another, as the page takes them."""
    last, head = spec.layers - 1, spec.heads - 1
    mean = {"by": "mean", "over": [OTHER, LONGER]}
    return [
        [{"ablate": {"heads": [[1, 0]]}}],
        [{"ablate": {"heads": [[0, head], [last, 0], [-1, -1]]}}],
        [{"ablate": {"attention": [0]}}],
        [{"ablate": {"mlps": [last]}}],
        [{"ablate": {"layers": [0, last]}}],
        [{"ablate": {"heads": [[0, 0], [1, 1]], **mean}}],
        [{"ablate": {"layers": [1], "mlps": [0], **mean}}],
        [{"patch": {"heads": [1, 1]}, "clean": OTHER}],
        [{"patch": {"heads": [[0, 0, 3], [1, 1, -1]], "residual": [1, 2]}, "clean": OTHER}],
        [{"patch": {"attn_out": [0, 1], "mlp_out": [[last]]}, "clean": OTHER}],
        [{"patch": {"residual": [[0, 1], [spec.layers, 2]]}, "clean": OTHER}],
        [{"ablate": {"heads": [[1, 1]]}}, {"patch": {"heads": [1, 1, 2]}, "clean": OTHER}],
        [{"patch": {"residual": [1]}, "clean": OTHER}, {"ablate": {"layers": [0, 1]}}],
        [{"patch": {"residual": [1]}, "clean": LONGER}],  # refused: of another length
    ]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What node finds for every model that ships: {(name, step): {"wrong": […], "worst": {field: difference}}}."""
    folder, jobs = tmp_path_factory.mktemp("live"), {}
    for name in suite.SHIPPED:
        lm = pythia_course.load(name)
        lm.model.double()
        for step in suite.steps(name):
            jobs[name, step] = reference_of(folder, lm, name, step).written()
    models = in_node(folder, {"models": list(jobs.values())})["models"]
    return dict(zip(jobs, models, strict=True))


def reference_of(folder, lm, name, step):
    files = files_of(name, step)
    lm.model.load_state_dict(load_file(files["weights"]), strict=True)
    reference = Reference(folder, lm, step, files)
    whole = step == suite.steps(name)[-1]
    for prompt in prompts() if whole and name in suite.TINY else FEW:
        reference.add(lm, prompt)
    if whole:
        reference.add(lm, CLEAN, keep=AXES, predicted=5)
        for changes in changes_of(lm.spec):
            reference.add(lm, CLEAN, keep=AXES, changes=changes, predicted=3)
            # what is taken over from the pass before is right too
            reference.add(lm, CLEAN[:-2] + "oy.", changes=changes)
    return reference


@pytest.mark.parametrize("name", suite.SHIPPED)
def test_every_checkpoint_reads_and_computes_what_torch_does(found, name):
    for step in suite.steps(name):
        result = found[name, step]
        assert result["wrong"] == [], step
        assert {"attention", "residual", "logits", "lens"} <= result["worst"].keys()
        assert max(result["worst"].values()) < NEAR, (step, result["worst"])


@pytest.mark.parametrize("name", suite.TINY)
def test_each_of_the_four_reads_200_prompts(found, name):
    assert len(set(prompts())) >= 195
    assert found[name, 6200]["cases"] == 200 + 1 + 2 * 14
    assert found[name, 6200]["worst"].keys() >= {*AXES, "lens", "sure"}


def test_a_change_of_a_model_changes_what_is_computed():
    """The comparison above would not see interventions that do nothing in both."""
    lm = pythia_course.load("tiny-pythia")
    plain = lm.trace(CLEAN, keep="logits").logits
    with lm.ablate(heads=[(1, 0)]):
        assert (lm.trace(CLEAN, keep="logits").logits - plain).abs().max() > 100 * NEAR


def test_without_webassembly_the_same_is_computed(tmp_path):
    lm = pythia_course.load("tiny-pythia")
    lm.model.double()
    reference = Reference(tmp_path, lm, 6200, files_of("tiny-pythia", 6200), wasm=False)
    for prompt in FEW:
        reference.add(lm, prompt, keep=AXES)
    (result,) = in_node(tmp_path, {"models": [reference.written()]})["models"]
    assert result["wrong"] == [] and max(result["worst"].values()) < NEAR
