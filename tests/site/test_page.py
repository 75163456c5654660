"""The one page with a model inside: from a file, with the network off, by mouse and by keyboard."""

import re

import pytest

import pythia_course
from pythia_course.__main__ import main
from pythia_course.site.page import page_text

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


def test_what_is_typed_is_text_and_what_cannot_be_read_is_said(page):
    types(page, "<img src=x onerror=alert(1)> <b>Mia")
    assert page.locator("main img, main b").count() == 0
    page.fill(".pg-text", "")
    # a function: an expression would be evaluated, which the page's policy forbids
    page.wait_for_function("() => document.querySelector('.pg-said').textContent.startsWith('The prompt is empty')")


def test_the_page_holds_no_second_way_to_run_a_script():
    text = page_text("tiny-pythia-91k")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe-inline" not in policy
    assert text.count("<script>") == 1
    assert text.count("</script>") == 4  # none that a piece of code or data would close


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
