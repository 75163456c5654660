"""Widgets with a text field on a page of the site, opened from a disk: the page has the models, and asks nobody."""

import pytest

from pythia_course import load, suite
from pythia_course.site import alive, bundle
from pythia_course.site.folder import FOLDER, POLICY, _playground
from pythia_course.widgets import AttentionExplorer, RopeLab, TrainingScrubber
from pythia_course.widgets.common.code import script

NAME, TEXT, OTHER, SECONDS = "tiny-pythia-91k", "Then Mia lost the", "Then Tom 😀 had a red", 60_000
STEPS = suite.steps(NAME)[-3:]
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>typing</title>
<meta http-equiv="Content-Security-Policy" content="{policy}"></head><body>{places}{scripts}</body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page with all three, made of what the site is made of."""
    out = tmp_path_factory.mktemp("site")
    widgets = {
        "a": AttentionExplorer.of(NAME, TEXT),
        "b": TrainingScrubber.of(NAME, TEXT, STEPS, keep=out / "sweeps"),
        "c": RopeLab.of(NAME, TEXT),
    }
    files = _playground({NAME: STEPS}) | {"files/lesson.js": f"(() => {{\n{script(FOLDER / 'lesson.js')}}})();\n"}
    for key, widget in widgets.items():
        one = alive._described(widget)
        files[f"files/{key}.js"] = bundle.held(key, bundle.traits(one))
        files[f"files/{one.kind}.js"] = bundle.widget(one.kind, one.module)
    names = sorted(name for name in files if name.startswith("files/") and name not in PLACED_LAST)
    scripts = "".join(f'<script src="{name}"></script>' for name in [*names, "files/lesson.js"])
    places = "".join(f'<div class="alive" data-held="{key}"></div>' for key in widgets)
    files["index.html"] = PAGE.format(policy=POLICY, places=places, scripts=scripts)
    for name, content in files.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(content, encoding="utf-8")
    return out


PLACED_LAST = ("files/lesson.js", "files/playground.js")  # the second is fetched when it is asked for


def test_each_text_field_works_from_the_site_s_files(browser, folder):
    context, said = browser.new_context(offline=True), []
    page = context.new_page()
    page.set_default_timeout(SECONDS)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.extend([] if request.url.startswith(("file:", "blob:")) else [request.url]))
    page.goto((folder / "index.html").as_uri())
    for place in page.locator(".alive").all():
        assert place.get_attribute("data-ready") == "true"
        place.locator(".pcw-text").fill(OTHER)
    labels = load(NAME).tokens(OTHER)
    page.wait_for_function("n => document.querySelectorAll('.pce-tokens .pce-token').length === n", arg=len(labels))
    page.wait_for_function("n => document.querySelectorAll('.pcs-heads div').length === n", arg=len(labels))
    page.locator(".pcs-progress").filter(has_text="3 of 3 checkpoints").wait_for()
    keys = "n => document.querySelector('.rope-live [aria-label=\"key of\"]').length === n"
    page.wait_for_function(keys, arg=len(labels))
    assert page.locator(".pcw-where").all_inner_texts() == ["computed in this page"] * 3
    assert page.locator(".pcs-heads div").all_inner_texts() == labels
    best = [word for word, _ in load(NAME).predict(OTHER, 6)]
    assert page.locator(".pce-next .pce-token").all_inner_texts() == best
    assert page.locator(".pcs-next .pcs-token").all_inner_texts()[:6] == best
    assert "the model's own" in page.locator(".rope-status").inner_text()
    assert page.locator(".pcw-note").all_inner_texts() == [""] * 3
    page.get_by_role("button", name="What it read").click()  # which only a kernel can say
    page.locator(".pce-read").filter(has_text="takes a running kernel").wait_for()
    assert said == []
    context.close()
