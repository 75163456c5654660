"""The whole site: its links, pictures and words; and, opened from a disk with no network, that it lives."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup
from support.firefox import FIREFOX, firefox

import pythia_course
from pythia_course.__main__ import main
from pythia_course.lessons import shipped
from pythia_course.site import bundle
from pythia_course.site.folder import repository, write_site
from pythia_course.widgets.common.documents import documents, read_last

SECONDS = 60_000  # of patience, in milliseconds
LESSONS = sorted(Path(name).stem for name in shipped.lessons() if re.fullmatch(r"notebooks/\d\d_\w+\.ipynb", name))
ALIVE = ("00", "02", "04")  # lessons whose widgets take little; make site does all of them
STEPS = {"tiny-pythia-91k": [0, 6200], "tiny-gpt2": [6200]}
LISTED = """(expected) => expected.join() ===
  [...document.querySelectorAll(".pg-next .pg-token")].slice(0, 3).map(({ textContent }) => textContent).join()"""
LISTED_IN = """([panel, expected]) => expected.join() ===
  [...document.querySelectorAll(".pg-panel")[panel].querySelectorAll(".pg-next .pg-token")]
    .slice(0, 3).map(({ textContent }) => textContent).join()"""
READY = """new Promise((done) => {
  const look = () => (document.querySelector("[data-ready]") ? done(true) : setTimeout(look, 50));
  look();
})"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "course"
    write_site(out, STEPS, ALIVE)
    return out


@pytest.fixture(scope="module")
def pages(folder):
    return {path.name: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser") for path in folder.glob("*.html")}


@pytest.fixture
def opened(browser, folder):
    """Opens a page of the site; when the test ends, nothing may have failed and nobody have been asked."""
    context, said = browser.new_context(offline=True), []

    def open_page(address):
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.extend([] if is_here(request.url, folder) else [request.url]))
        page.goto(folder.as_uri() + "/" + address)
        return page

    yield open_page
    assert said == []
    context.close()


def is_here(url, folder):
    return url.startswith((folder.as_uri(), "blob:"))


# ----------------------------------------------------------------------------------------------- links and words


def test_every_lesson_has_a_page_and_every_exercise_its_solution_folded(pages):
    assert set(pages) == {f"{name}.html" for name in (*LESSONS, "index", "glossary", "api", "search")}
    for name in LESSONS:
        page = pages[f"{name}.html"]
        asked = re.findall(r"\bExercise (\d+)\b", " ".join(bold.get_text() for bold in page.main.find_all("strong")))
        folds = {fold["id"]: fold for fold in page.find_all("details", class_="solution")}
        assert {f"solution-{number}" for number in asked if f"solution-{number}" not in folds} == set(), name
        assert folds and not any(fold.has_attr("open") for fold in folds.values())


def test_links_and_anchors_lead_somewhere_and_ids_are_unique(pages, folder):
    ids = {name: [tag["id"] for tag in page.find_all(id=True)] for name, page in pages.items()}
    assert [(name, id) for name, ones in ids.items() for id in ones if ones.count(id) > 1] == []
    lost = []
    for name, page in pages.items():
        for tag in page.find_all(href=True) + page.find_all(src=True):
            address = tag.get("href") or tag.get("src")
            if address.startswith("https://"):
                continue
            file, _, anchor = unquote(address).partition("#")
            there = (folder / (file or name)).is_file()
            if not there or (anchor and anchor not in ids[file or name]):
                lost.append((name, address))
    assert lost == []


def test_every_picture_says_what_is_to_be_seen_and_how_large_it_is(pages):
    pictures = [picture for page in pages.values() for picture in page.find_all("img")]
    assert len(pictures) > 100
    assert [picture["src"] for picture in pictures if len(picture.get("alt", "")) < 20] == []
    assert all(int(picture["width"]) > 100 and int(picture["height"]) > 50 for picture in pictures)


def test_a_policy_forbids_what_is_not_a_file_of_the_site_and_nothing_else_is_there(pages):
    for name, page in pages.items():
        policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
        assert "script-src 'self' 'wasm-unsafe-eval';" in policy and policy.startswith("default-src 'none'")
        assert [script for script in page.find_all("script") if script.get_text() or not script.get("src")] == [], name
        events = [key for tag in page.find_all(True) for key in tag.attrs if key.startswith("on")]
        assert events == [] and not page.find_all(["style", "iframe", "form", "object"])


def test_what_needs_a_kernel_says_so_and_how_to_run_it(pages):
    said = pages["00_start_here.html"].find(class_="needs-kernel")
    assert said.get_text() == "ModelPicker needs a running kernel: run this lesson to use it."
    assert said.a["href"] == "index.html#run" and "pythia-course lab" in pages["index.html"].pre.get_text()


def test_before_and_after_lead_through_the_lessons(pages):
    way, here = [], f"{LESSONS[0]}.html"
    while here:
        way.append(here)
        following = pages[here].find("nav", class_="turn").find("a", rel="next")
        here = following and following["href"]
    assert way == [f"{name}.html" for name in LESSONS]


def test_the_readme_s_first_link_is_where_the_site_is_published():
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    owner, name = repository().removeprefix("https://github.com/").split("/")
    assert re.search(r"\]\((https?:[^)]+)\)", readme)[1] == f"https://{owner}.github.io/{name}/"


# ------------------------------------------------------------------------------------------------------- alive


def test_a_widget_on_a_lesson_s_page_follows_a_key(opened):
    page = opened("04_parallel_attention_and_mlp.html")
    page.wait_for_selector(".alive[data-ready]", timeout=SECONDS)
    diagram = page.locator(".block-diagram")
    diagram.get_by_role("button", name="Next").focus()
    page.keyboard.press("ArrowRight")
    diagram.get_by_text("step 1 of 6").wait_for(timeout=SECONDS)


def test_the_viewer_has_its_sliders(opened):
    page = opened("00_start_here.html")
    page.wait_for_selector(".alive[data-ready]", timeout=SECONDS)
    page.get_by_label("head", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.locator(".alive .pcw-status", has_text="layer 0, head 1: ").wait_for(timeout=SECONDS)


def test_the_rotary_lab_is_drawn_from_the_lesson_s_own_vectors(opened):
    page = opened("02_rotary_position_embeddings.html")
    page.wait_for_selector(".alive[data-ready]", timeout=SECONDS)
    assert page.locator(".alive svg").count() > 1 and page.locator(".alive img").count() == 0


def test_the_playground_computes_what_python_does_at_another_step_of_another_model(opened):
    page, text = opened("index.html"), "Mia had a red ball. Tom"
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    page.fill(".pg-text", text)
    for name, step in (("tiny-gpt2", None), ("tiny-pythia-91k", 0)):
        page.get_by_label("model").select_option(name)
        if step is not None:
            page.get_by_label("training step").press("Home")
        lm = pythia_course.load(name, step=step)
        expected = [token for token, _ in lm.predict(text, 3)]
        page.wait_for_function(LISTED, arg=expected, timeout=SECONDS)


def test_a_link_holds_what_is_seen(opened):
    page = opened("index.html#prompt=Mia+had+a&model=tiny-gpt2&step=6200&head=2.1&silent=1.1,0.3")
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    assert page.input_value(".pg-text") == "Mia had a" and page.get_by_label("model").input_value() == "tiny-gpt2"
    assert page.locator("#pg-head").inner_text() == "layer 2, head 1" and page.locator(".pg-silent").count() == 2
    page.get_by_role("button", name="make a link to this").click()
    link = "#prompt=Mia+had+a&model=tiny-gpt2&step=6200&head=2.1&silent=0.3%2C1.1"
    assert page.url == page.input_value(".pg-link") and page.url.endswith(link)


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("prompt=x&model=<img src=x onerror=alert(1)>", "there is no model “<img src=x onerror=alert(1)>” here."),
        ("model=__proto__", "there is no model “__proto__” here."),
        ("model=tiny-gpt2&step=7", "tiny-gpt2 is here at the steps 6,200, not at “7”."),
        ("step=../../x", "not at “../../x”."),
        ("head=9.9", "has no head “9.9”."),
        ("silent=0.0,constructor", "has no head “constructor”."),
        ("prompt=a&prompt=b", "it says prompt twice."),
        ("run=alert(1)", "it says “run”, which means nothing here."),
        ("prompt=" + "x" * 4001, "its prompt has 4,001 characters, and 4,000 are the most."),
    ],
)
def test_a_link_that_does_not_fit_is_refused_whole(opened, link, says):
    page = opened(f"index.html#{link}")
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    refused = page.locator(".pg-refused").inner_text()
    assert refused.startswith("This link was not followed: ") and refused.endswith(says)
    assert page.input_value(".pg-text").startswith("Then Mia and Tom") and page.locator("main img").count() == 0


def test_another_model_on_the_same_text_stands_beside_and_a_link_holds_both(opened):
    page, text = opened("index.html"), "Mia had a red ball. Tom"
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    page.get_by_role("button", name="another model or step").click()
    first, second = page.locator(".pg-panel").all()
    names = [name.inner_text() for name in page.locator(".pg-name").all()]
    assert names == ["first: tiny-pythia-91k, step 6,200", "second: tiny-pythia-91k, step 0"]
    page.locator(".pg-text:visible").fill(text)
    second.get_by_label("model").select_option("tiny-gpt2")
    for panel, name in ((0, "tiny-pythia-91k"), (1, "tiny-gpt2")):
        expected = [token for token, _ in pythia_course.load(name).predict(text, 3)]
        page.wait_for_function(LISTED_IN, arg=[panel, expected], timeout=SECONDS)
    assert page.locator(".pg-patches:visible").count() == 0
    second.get_by_role("button", name="layer 3, head 3", exact=True).press("s")
    second.locator(".pg-silent").wait_for(timeout=SECONDS)
    assert first.locator(".pg-silent").count() == 0
    page.get_by_role("button", name="make a link to this").click()
    link = page.input_value(".pg-link")
    assert link.endswith("&model2=tiny-gpt2&step2=6200&head2=3.3&silent2=3.3")

    again = opened("index.html" + link[link.index("#") :])
    again.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    silent = again.locator(".pg-panel").nth(1).locator(".pg-silent")
    assert silent.get_attribute("aria-label") == "layer 3, head 3, silenced"
    assert again.locator(".pg-text:visible").input_value() == text


def test_the_batch_that_it_read_last_is_a_click_away_with_the_documents_that_hold_a_word(opened):
    page = opened("index.html#prompt=Mia+had+a+red+ball&model=tiny-pythia-91k&step=6200")
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    assert page.evaluate("() => Object.keys(PYTHIA.held).filter((key) => key.startsWith('batch'))") == []
    page.get_by_text("what it was trained on at this step").click()
    for step, batch in ((6200, 6199), (0, 0)):
        told = documents("tiny-pythia-91k", step, "␣ball")
        number, every = read_last("tiny-pythia-91k", step)
        holding = [text for _, text in every if re.search(r"\bball\b", text)]
        assert number == told["batch"] == batch and told["total"] == len(every) and len(holding) > 6
        said = f"{len(holding)} of {told['total']} documents hold “ball”."
        status = page.locator(".pg-batch [role=status]", has_text=f"Batch {batch:,}, ").filter(has_text=said)
        status.wait_for(timeout=SECONDS)
        shown = page.locator(".pg-documents li span").all_text_contents()
        assert shown == holding[:6] and set(page.locator(".pg-documents mark").all_text_contents()) == {"ball"}
        page.get_by_label("training step").press("Home")
    page.get_by_role("button", name=f"show {min(20, len(holding) - 6)} more").click()
    assert page.locator(".pg-documents li span").all_text_contents() == holding[:26]
    page.get_by_label("words that a document must hold").fill("ball Mia")
    both = [text for text in holding if re.search(r"\bMia\b", text)]
    page.locator(".pg-batch [role=status]", has_text=f"{len(both)} of ").wait_for(timeout=SECONDS)
    page.locator(".pcw-canvas").click(position={"x": 3, "y": 3})  # where a piece of the first word looks
    assert page.get_by_label("words that a document must hold").input_value() == "Mia"
    page.get_by_label("words that a document must hold").fill("<img src=x> (")
    page.locator(".pg-batch [role=status]", has_text="0 of ").wait_for(timeout=SECONDS)
    assert page.locator("main img").count() == 0


def test_each_checkpoint_of_the_playground_has_its_batch_once(folder):
    files = {path.name for path in (folder / "batches").iterdir()}
    assert files == {"0-0.js", "0-6199.js"}  # STEPS names models of seed 0 at the steps 0 and 6,200


def test_the_attention_picture_is_there_in_words(opened):
    page = opened("index.html#prompt=Mia had a red ball")
    page.wait_for_selector("#playground[data-ready]", timeout=SECONDS)
    page.get_by_text("this head in words").click()
    lines = page.locator(".pg-rows li")
    assert lines.count() == len(pythia_course.load("tiny-pythia-91k").tokens("Mia had a red ball"))
    assert re.fullmatch(r"\S+ looks at (\S+ \d\.\d\d(, )?)+…?", lines.last.inner_text())


def test_search_finds_sections_by_all_their_words(opened):
    page = opened("search.html#words=induction heads")
    page.locator("#found li").first.wait_for(timeout=SECONDS)
    page.fill("#words", "LayerNorm parallel GPT-J")
    page.locator("#found li:first-child a", has_text="04 · Parallel").wait_for(timeout=SECONDS)
    page.locator("#found a").first.click()
    page.wait_for_url("**/04_parallel_attention_and_mlp.html#*")
    page.go_back()
    assert page.input_value("#words") == "LayerNorm parallel GPT-J"
    page.fill("#words", "residual stream")
    page.locator("#found li:first-child a[href='glossary.html#residual-stream']").wait_for(timeout=SECONDS)
    pages = page.locator("#found a").evaluate_all("all => all.map((one) => one.pathname.split('/').at(-1))")
    assert "api.html" in pages and len(set(pages)) > 3


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("index", "light"),
        ("index", "dark"),
        ("index#prompt=Mia had a&patch=h1.1,s1.2&prompt2=Tom had a", "light"),
        ("index#prompt=Mia had a&patch=h1.1,s1.2&prompt2=Tom had a", "dark"),
        ("index#model2=tiny-gpt2", "light"),
        ("00_start_here", "light"),
        ("00_start_here", "dark"),
        ("glossary", "light"),
    ],
)
def test_axe_finds_no_violation(browser, folder, name, scheme):
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)  # axe comes as a script from outside
    page = context.new_page()
    file, hash_, link = name.partition("#")
    page.goto(f"{folder.as_uri()}/{file}.html{hash_}{link}")
    if file != "glossary":
        page.wait_for_selector("[data-ready]", timeout=SECONDS)
    if link:
        page.get_by_text("what it was trained on at this step").last.click()
        page.locator(".pg-documents li").first.wait_for(timeout=SECONDS)
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("() => axe.run()")["violations"]
    context.close()
    assert [f"{one['id']}: {[node['html'][:120] for node in one['nodes']][:5]}" for one in found] == []


def test_the_first_tab_skips_to_the_text_and_a_phone_scrolls_one_way_only(opened):
    page = opened("02_rotary_position_embeddings.html")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Skip to the text"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    for width in (390, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


@pytest.mark.skipif(FIREFOX is None, reason="needs Firefox, which is not installed")
def test_firefox_computes_the_same_from_a_disk_and_mounts_a_widget(folder, tmp_path):
    text = "Mia had a red ball. Tom"
    with firefox(tmp_path) as tab:
        tab.open(f"{folder.as_uri()}/index.html#prompt={text}")
        tab.evaluate(READY)
        seen = tab.evaluate("[...document.querySelectorAll('.pg-next .pg-token')].map((t) => t.textContent).join()")
        tab.open(f"{folder.as_uri()}/04_parallel_attention_and_mlp.html")
        tab.evaluate(READY)
        assert "step 0 of 6" in tab.evaluate("document.querySelector('.alive').innerText")
    assert seen.split(",")[:3] == [token for token, _ in pythia_course.load("tiny-pythia-91k").predict(text, 3)]


# ------------------------------------------------------------------------------------------ how it comes about


def test_a_module_that_cannot_be_a_script_is_refused():
    with pytest.raises(ValueError, match="import nothing"):
        bundle.widget("x", 'import { a } from "https://example.org/a.js";\nexport default {};')


def test_a_folder_with_other_things_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    assert main(["site", str(tmp_path)]) == 2
    assert "holds other things" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
