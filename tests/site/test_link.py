"""What a link to the playground may say, read and written by node: one panel, two, and everything that does not fit."""

import json
import subprocess

import pytest
from support.live import NODE, ROOT

MODELS = {
    "small": {"layers": 2, "heads": 2, "steps": [0, 512, 6200]},
    "large": {"layers": 4, "heads": 4, "steps": [6200]},
}
INITIAL = {"prompt": "Mia", "model": "small"}
SMALL = {"prompt": "Mia", "model": "small", "step": 6200, "layer": 1, "head": 0, "silenced": [], "patched": []}
FIRST, LARGE = {"layer": 0, "head": 1}, {"model": "large", "layer": 3, "head": 3}
PATCHES = [{"head": [1, 1]}, {"stream": [2, 5]}]
FOLLOWED = {
    "#lessons": None,
    "#prompt=Mia+had+a&model=large&step=6200&head=2.1&silent=0.3%2C1.1": (
        [{**SMALL, "prompt": "Mia had a", "model": "large", "layer": 2, "head": 1, "silenced": [[0, 3], [1, 1]]}], None,
    ),
    "#prompt=Mia&model=small&step=0&head=0.1&model2=large&step2=6200&head2=3.3&silent2=3.2": (
        [{**SMALL, "step": 0, "layer": 0, "head": 1},
         {**SMALL, "model": "large", "layer": 3, "head": 3, "silenced": [[3, 2]]}], "prompt",
    ),
    "#prompt=Mia&model=small&step=512&head=1.0&patch=h1.1%2Cs2.5&prompt2=Tom+%26+%3Cb%3E&head2=1.0": (
        [{**SMALL, "step": 512, "patched": PATCHES}, {**SMALL, "step": 512, "prompt": "Tom & <b>"}], "model",
    ),
}  # fmt: skip
SHORT = {  # what a link leaves out
    "#step2=0": ([SMALL, {**SMALL, "step": 0}], "prompt"),
    "#step=512&model2=small": ([{**SMALL, "step": 512}, {**SMALL, "step": 512}], "prompt"),
    "#step=512&model2=large": ([{**SMALL, "step": 512}, {**SMALL, "model": "large"}], "prompt"),
    "#head=0.1&prompt2=Tom": ([SMALL | FIRST, SMALL | FIRST | {"prompt": "Tom"}], "model"),
    "#model=large&head=3.3&model2=small": ([SMALL | LARGE, {**SMALL, "head": 1}], "prompt"),
    "#prompt2=&patch2=h0.0,h0.0": ([SMALL, {**SMALL, "prompt": "", "patched": [{"head": [0, 0]}]}], "model"),
}  # fmt: skip
REFUSED = {
    "#model2=__proto__": "there is no model “__proto__” here.",
    "#model2=large&step2=512": "large is here at the steps 6,200, not at “512”.",
    "#prompt2=a&step2=0": "another text and with another model",
    "#head2=0.0": "it says head2 and has no second panel.",
    "#silent2=0.0": "it says silent2 and has no second panel.",
    "#patch=h0.0": "it says patch and has no second text, prompt2,",
    "#model2=large&patch2=h0.0": "it says patch2 and has no second text",
    "#prompt2=a&patch=h2.0": "small has no head “2.0”.",
    "#prompt2=a&patch=s3.0": "small has no place “s3.0” in its stream.",
    "#prompt2=a&patch=x0.0": "small has no place “x0.0” in its stream.",
    "#prompt2=a&patch2=s0.-1": "small has no place “s0.-1” in its stream.",
    "#prompt2=a&patch=" + ",".join(f"s0.{i}" for i in range(201)): "it lists 201 places, and 200 are the most.",
    "#prompt2=" + "x" * 4001: "its prompt has 4,001 characters, and 4,000 are the most.",
    "#prompt2=a&prompt2=b": "it says prompt2 twice.",
    "#model3=small": "it says “model3”, which means nothing here.",
}


@pytest.fixture(scope="module")
def found():
    links = [*FOLLOWED, *SHORT, *REFUSED]
    given = json.dumps({"links": links, "models": MODELS, "initial": INITIAL})
    command = [NODE, str(ROOT / "tests/site/links.mjs")]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(zip(links, json.loads(done.stdout)))


def test_a_link_is_read_as_it_was_written_and_written_as_it_was_read(found):
    for link, seen in FOLLOWED.items():
        assert found[link]["seen"] == (seen and {"panels": seen[0], "linked": seen[1]}), link
        assert found[link]["again"] == (seen and link), link


def test_what_a_link_leaves_out_is_as_in_the_first_panel_or_as_at_first(found):
    for link, (panels, linked) in SHORT.items():
        assert found[link]["seen"] == {"panels": panels, "linked": linked}, link


def test_what_does_not_fit_is_refused_whole_with_a_sentence(found):
    for link, says in REFUSED.items():
        assert set(found[link]) == {"refused"}, link
        refused = found[link]["refused"]
        assert refused.startswith("This link was not followed: ") and says in refused, link
