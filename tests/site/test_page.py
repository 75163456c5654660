"""The one page with a model inside: from a file, with the network off, by mouse and by keyboard."""

import re
from pathlib import Path

import pytest

import pythia_course
from pythia_course.__main__ import main
from pythia_course.site.page import FOLDER, OTHER, PROMPT, page_text
from pythia_course.tiny import words

SECONDS = 60_000  # of patience, in milliseconds


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "tiny-pythia.html"
    assert main(["page", str(out)]) == 0
    return out


@pytest.fixture
def page(browser, file):
    context = browser.new_context(offline=True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.extend([] if request.url.startswith(("file:", "blob:")) else [request.url]))
    page.goto(file.as_uri())
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    yield page
    assert said == []  # no request, no error, nothing that the policy had to forbid
    context.close()


def shown_next(page):
    return page.locator(".pg-next .pg-token").all_text_contents()


def following(page, panel, predicted):
    """Wait until this panel lists these next tokens with these shares."""
    expected = [f"{token} {share_of(share)}" for token, share in predicted]
    listed = """([panel, expected]) => {
      const rows = document.querySelectorAll(".pg-panel")[panel].querySelectorAll(".pg-next li");
      const said = [...rows].map(({ children: [token, share] }) => `${token.textContent} ${share.textContent}`);
      return expected.join() === said.slice(0, expected.length).join();
    }"""
    page.wait_for_function(listed, arg=[panel, expected], timeout=SECONDS)


def share_of(share):
    return f"{100 * share:.{1 if share < 0.1 else 0}f}%"


def types(page, text):
    """Type it, and wait until its tokens are drawn."""
    page.fill(".pg-text", text)
    drawn = """(text) => [...document.querySelectorAll(".pcw-rows .pcw-label")]
      .map(({ title }) => title.replace(/^\\d+: /, "")).join("") === text.replaceAll(" ", "␣")"""
    page.wait_for_function(drawn, arg=text, timeout=SECONDS)


def test_it_is_small_enough_to_mail(file):
    assert file.stat().st_size < 3_000_000


def test_what_comes_next_is_what_python_predicts(page):
    lm = pythia_course.load("tiny-pythia")
    for text in ("Then Mia and Tom went to the park. Then Tom gave the ball to", "Mia had a red ball. Tom"):
        types(page, text)
        assert shown_next(page)[:4] == [token for token, _ in lm.predict(text, 4)]
        assert page.locator(".pg-cell").count() == 16
        assert page.locator(".pcw-rows .pcw-label").all_text_contents() == lm.tokens(text)


def test_a_silenced_head_changes_what_comes_next_and_comes_back(page):
    lm = pythia_course.load("tiny-pythia")
    text = page.input_value(".pg-text")
    with lm.ablate(heads=[(1, 1)]):
        without = [token for token, _ in lm.predict(text, 3)]
    before = shown_next(page)
    page.get_by_role("button", name="layer 1, head 1", exact=True).click()
    page.get_by_role("button", name="silence it").click()
    page.wait_for_selector(".pg-silent", timeout=SECONDS)
    assert shown_next(page)[:3] == without != before[:3]
    page.get_by_role("button", name="bring all back").click()
    page.wait_for_selector(".pg-silent", state="detached", timeout=SECONDS)
    assert shown_next(page) == before


def test_keys_alone_do_it_and_a_text_says_what_is_seen(page):
    page.locator(".pg-text").focus()
    for key in ("Tab", "ArrowDown", "ArrowRight", "s"):
        page.keyboard.press(key)
    page.wait_for_selector(".pg-silent", timeout=SECONDS)
    assert page.locator(".pg-silent").get_attribute("aria-label") == "layer 2, head 1, silenced"
    said = re.compile(r"^layer 2, head 1: ␣to looks at .+ 0\.\d\d.*; 1 silenced; next: .+%$")
    page.wait_for_function("(start) => document.querySelector('.pg-said').textContent.startsWith(start) && "
                           "document.querySelector('.pg-said').textContent.includes('silenced')",
                           arg="layer 2, head 1", timeout=SECONDS)  # fmt: skip
    assert said.match(page.locator(".pg-said").inner_text())


def test_values_of_another_text_s_run_are_brought_over_by_mouse_and_by_key_and_back(page):
    lm, texts = pythia_course.load("tiny-pythia"), [PROMPT, OTHER]
    page.get_by_role("button", name="another text").click()
    first, second = page.locator(".pg-panel").all()
    following(page, 1, lm.predict(OTHER, 4))
    clean = first.locator(".pg-next").inner_text()

    head = second.get_by_role("button", name="layer 2, head 3", exact=True)
    head.hover()  # dragged with the pointer into the first
    page.mouse.down()
    first.locator(".pg-large").hover()
    assert first.evaluate("(panel) => panel.classList.contains('pg-target')")
    page.mouse.up()
    with lm.patch(OTHER, heads=[(2, 3)]):
        following(page, 0, lm.predict(PROMPT, 4))
    assert first.locator(".pg-cell.pg-patched").get_attribute("aria-label") == "layer 2, head 3, patched in"
    assert first.locator(".pg-chips button").get_attribute("aria-label") == "take back: layer 2, head 3"

    row = second.locator(".pcw-rows .pcw-label").nth(11)
    row.hover()  # a token: the stream there before the layer that the first's list says
    page.mouse.down()
    first.locator(".pg-large").hover()
    page.mouse.up()
    with lm.patch(OTHER, heads=[(2, 3)], residual=[(1, 11)]):
        both = lm.predict(PROMPT, 4)
    following(page, 0, both)
    assert "the stream at ␣Tom (11) before layer 1" in first.locator(".pg-chips").inner_text()
    page.get_by_role("button", name="make a link to this").click()
    link = page.input_value(".pg-link")
    assert link.partition("&head=")[2].startswith("1.0&patch=h2.3%2Cs1.11&prompt2=Then+Mia")

    first.get_by_role("button", name="take back: layer 2, head 3").click()
    with lm.patch(OTHER, residual=[(1, 11)]):
        following(page, 0, lm.predict(PROMPT, 4))
    first.locator(".pg-position").select_option("11")
    first.get_by_role("button", name="take it back out").click()
    following(page, 0, lm.predict(PROMPT, 4))
    assert first.locator(".pg-next").inner_text() == clean

    second.get_by_role("button", name="layer 1, head 0", exact=True).press("p")
    with lm.patch(PROMPT, heads=[(1, 0)]):
        following(page, 1, lm.predict(OTHER, 4))
    first.locator(".pg-text").fill("Mia")
    said = "The patch comes from a prompt of 1 tokens and this one has 16: each value goes to the position it came from"
    second.locator(".pg-said", has_text=said).wait_for(timeout=SECONDS)
    second.get_by_role("button", name="layer 1, head 1", exact=True).press("p")  # what does not fit can be taken back
    assert second.locator(".pg-chips button").count() == 2
    second.get_by_role("button", name="layer 1, head 1", exact=True).press("p")
    assert second.locator(".pg-chips button").count() == 1
    page.get_by_role("button", name="back to one").click()
    assert page.locator(".pg-panel").count() == 1 and page.locator(".pg-patches").is_hidden()

    page.goto("about:blank")
    page.goto(link)  # which brings all of it back
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    following(page, 0, both)
    assert [each.input_value() for each in page.locator(".pg-text").all()] == texts


def test_one_model_at_one_step_is_compared_with_another_text_only_and_has_no_batch(page):
    beside = page.get_by_role("group", name="compare beside it").get_by_role("button")
    assert beside.all_inner_texts() == ["another text"]
    assert page.locator(".pg-batch").count() == 0


def test_what_is_typed_is_text_and_what_cannot_be_read_is_said(page):
    types(page, "<img src=x onerror=alert(1)> <b>Mia")
    assert page.locator("main img, main b").count() == 0
    page.fill(".pg-text", "")
    # a function: an expression would be evaluated, which the page's policy forbids
    page.wait_for_function("() => document.querySelector('.pg-said').textContent.startsWith('The prompt is empty')")
    faint = "() => Number(getComputedStyle(document.querySelector('.pg-cell canvas')).opacity) < 0.5"
    assert page.evaluate(faint)  # the pictures are of the text before
    types(page, "Mia had a")
    assert not page.evaluate(faint)


def test_the_page_holds_no_second_way_to_run_a_script():
    text = page_text("tiny-pythia-91k")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe-inline" not in policy
    assert text.count("<script>") == 1
    assert text.count("</script>") == 5  # none that a piece of code or data would close


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["x.txt"], "ends in .html"),
        (["x.html", "pythia-70m"], "ship"),
        (["x.html", "tiny-pythia", "--step", "7"], "not at 7"),
    ],
)
def test_what_makes_no_page_is_said(words, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["page", *words]) == 2
    assert says in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_front_page_says_what_the_model_has_read_and_what_it_has_not():
    front = (FOLDER / "front.html").read_text(encoding="utf-8")
    assert "it knows Mia and her kite, and no pizza" in front
    assert "Mia" in words.NAMES and "kite" in words.THINGS
    corpus = [path.read_text(encoding="utf-8") for path in Path(words.__file__).parent.glob("*.py")]
    assert not any("pizza" in text.lower() for text in corpus)
