"""The course as a folder of static files: lessons, glossary, public names, search, and a playground in front.

It needs no server, no network and no kernel, and opens from a disk. Lessons and their pictures are as stored in the
notebooks; `lessons.py` renders them and `alive.py` computes what their widgets hold.
"""

import re
import tomllib
from functools import cache
from html import escape
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path, PurePosixPath

from bs4 import BeautifulSoup

from pythia_course import live, suite
from pythia_course.errors import LessonsMissing
from pythia_course.lessons import shipped
from pythia_course.site import bundle, page
from pythia_course.site.lessons import Lesson, finish, lesson, markdown
from pythia_course.site.words import sections
from pythia_course.widgets.common.code import script, style
from pythia_course.widgets.common.documents import read_last

FOLDER = Path(__file__).parent
SITE = [("index.html", "Pythia Course"), ("index.html#lessons", "Lessons"), ("glossary.html", "Glossary"),
        ("api.html", "Public names"), ("search.html", "Search")]  # fmt: skip
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'"
)
MARK = '<meta name="generator" content="pythia-course">'
SEARCH = """\
<h1>Search</h1>
<p><label for="words">Words that a section must have</label> <input id="words" type="search" autocomplete="off"></p>
<p id="said" role="status"></p>
<ol id="found"></ol>
"""


def write_site(out: Path, steps: dict[str, list[int]] | None = None, alive: tuple[str, ...] = ("",)) -> int:
    """Write the site into this folder, new, empty or an earlier site's; gives how many bytes.

    steps: {model: its steps} of the playground, by default of all that ship.  alive: how the names of lessons begin in
    which cells are run for what their widgets hold, by default all; elsewhere the widgets' pictures stand.
    Raises FileExistsError where the folder holds something else, LessonsMissing, OSError.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()) and MARK not in _text(out / "index.html"):
        raise FileExistsError(f"{out} holds other things than a site of this course: name a new folder.")
    steps = steps or {name: list(suite.steps(name)) for name in suite.SHIPPED}
    files = _pages(_lessons(alive)) | _playground(steps)
    size = 0
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return size


def _text(path):
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _lessons(alive) -> list[Lesson]:
    found, lessons = shipped.lessons(), []
    for name in (PurePosixPath(name).stem for name in found if re.fullmatch(r"notebooks/\d\d_\w+\.ipynb", name)):
        solution = found.get(f"notebooks/solutions/{name}.ipynb")
        lessons.append(lesson(name, found[f"notebooks/{name}.ipynb"], solution, name.startswith(alive)))
    return lessons


def _pages(lessons) -> dict:
    """{file: content} of all but the playground's data."""
    turns = [{"file": f"{each.name}.html", "title": each.title} for each in lessons]
    files = {".nojekyll": "", "files/site.js": script(FOLDER / "site.js")}
    for each, before, after in zip(lessons, [None, *turns], [*turns[1:], None]):
        files |= each.pictures | _lesson_page(each, before, after)
    bodies = {"glossary.html": ("Glossary", _glossary(lessons)), "api.html": ("Public names", _api())}
    files |= {file: _page(file, title, body, kind="reference") for file, (title, body) in bodies.items()}
    words = [{"page": f"{each.name}.html", "title": each.title, **one} for each in lessons for one in each.words]
    for file, (title, body) in bodies.items():
        words += [{"page": file, "title": title, **one} for one in sections(BeautifulSoup(body, "html.parser"), title)]
    styles = {one.kind: one.style.removeprefix(style()) for each in lessons for one in each.widgets.values()}
    for file, title, body in [("index.html", "Pythia Course", _front(turns)), ("search.html", "Search", SEARCH)]:
        kind = "front" if file == "index.html" else "search"
        data = "playground" if file == "index.html" else "words"
        scripts = [f"files/{data}.js", f"files/{kind}.js"]
        files[file] = _page(file, title, body, kind=kind, scripts=scripts)
    for name in ("front", "lesson", "search"):
        files[f"files/{name}.js"] = f'(() => {{ "use strict";\n{script(FOLDER / f"{name}.js")}}})();\n'
    own = style(FOLDER / "site.css", FOLDER / "playground.css") + "".join(styles.values())
    return files | {"files/words.js": bundle.held("search", words), "files/site.css": own}


def _lesson_page(each, before, after) -> dict:
    """{file: content} of a lesson's page and its widgets."""
    file, kinds = f"{each.name}.html", sorted({one.kind for one in each.widgets.values()})
    files = {f"files/{key}.js": bundle.held(key, bundle.traits(one)) for key, one in each.widgets.items()}
    files |= {f"files/{one.kind}.js": bundle.widget(one.kind, one.module) for one in each.widgets.values()}
    scripts = [f"files/{name}.js" for name in (*kinds, *each.widgets, *(["lesson"] if kinds else []))]
    around = {"sections": each.sections, "previous": before, "next": after, "scripts": scripts}
    return files | {file: _page(file, each.title, each.body, kind="lesson", **around)}


def _playground(steps) -> dict:
    """{file: content} of its models, a file a checkpoint, of what they read, and of what all of them share."""
    seeds = {name: suite.seed_of(name) for name in steps}
    shared = page.offered(steps) | {"worker": script(live.FOLDER / "worker.js"), "seeds": seeds}
    files = {"files/playground.js": bundle.held("playground", shared)}
    for name, ones in steps.items():
        for step in ones:
            found = live.model_files(name, step)
            model = {"config": found["config"].read_text(encoding="utf-8"), "weights": found["weights"].read_bytes()}
            files[f"models/{name}-{step}.js"] = bundle.held(f"{name}-{step}", model)
    return files | _batches(steps, seeds)


def _batches(steps, seeds) -> dict:
    """{file: content} of the batches that these checkpoints read last: models of one seed have read the same."""
    first_of = {seeds[name]: name for name in reversed(steps)}
    files = {}
    for seed, step in sorted({(seeds[name], step) for name, ones in steps.items() for step in ones}):
        number, documents = read_last(first_of[seed], step)
        held = bundle.held(f"batch-{seed}-{number}", {"step": number, "documents": documents})
        files[f"batches/{seed}-{number}.js"] = held
    return files


def _page(file, title, body, **around) -> str:
    given = {"policy": POLICY, "site": SITE, "scripts": [], "footer": _footer()} | around
    return _template().render(file=file, title=title, body=body, **given)


@cache
def _template():
    from jinja2 import Environment, FileSystemLoader

    folder = Environment(loader=FileSystemLoader(FOLDER / "template"), autoescape=True, trim_blocks=False)
    return folder.get_template("page.html.j2")


def _front(turns):
    rows = "".join(f'<li><a href="{each["file"]}">{escape(each["title"])}</a></li>\n' for each in turns)
    binder = repository().replace("https://github.com/", "https://mybinder.org/v2/gh/")
    binder += "/HEAD?labpath=notebooks%2F00_start_here.ipynb"
    text = _text(FOLDER / "front.html").replace("LESSONS", f'<ol class="lessons">\n{rows}</ol>')
    return text.replace("BINDER", escape(binder)).replace("REPOSITORY", escape(repository()))


def _footer():
    source = f'<a href="{escape(repository())}">source</a>'
    return f"Pythia Course, {source}, Apache-2.0. This page asks nobody for anything and keeps nothing."


def repository() -> str:
    """The address of the course's repository, as pyproject.toml names it."""
    beside = shipped.PACKAGE.parent
    if shipped.is_clone(beside):
        return tomllib.loads(_text(beside / "pyproject.toml"))["project"]["urls"]["Repository"]
    try:
        return dict(line.split(", ", 1) for line in metadata("pythia-course").get_all("Project-URL"))["Repository"]
    except PackageNotFoundError:
        raise LessonsMissing("The course is not installed, so that nobody knows where it comes from.") from None


def _glossary(lessons):
    """The glossary; its words can be linked to, and its numbers lead to the lessons."""
    soup = markdown(_text(shipped.lessons()["docs/glossary.md"]))
    files = {each.name[:2]: f"{each.name}.html" for each in lessons}
    for row in soup.tbody.find_all("tr"):
        word, _, number = row.find_all("td")
        row["id"] = re.sub(r"\W+", "-", word.get_text().lower()).strip("-")
        if file := files.get(number.get_text().strip()):
            number.string.wrap(soup.new_tag("a", href=file))
    finish(soup, {})
    return str(soup)


def _api():
    """docs/api.md; each name can be linked to."""
    soup, taken = markdown(_text(shipped.reference())), set()
    for heading in soup.find_all(["h2", "h3"]):
        name = re.match(r"[\w.]+", heading.get_text())[0]
        heading["id"] = name if name not in taken else f"{name}-{len(taken)}"
        taken.add(heading["id"])
    finish(soup, {})
    for link in soup.find_all("a", href=re.compile(r"^[\w-]+\.md$")):
        link["href"] = f"{repository()}/blob/HEAD/docs/{link['href']}"
    return str(soup)
