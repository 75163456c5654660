"""A lesson and its solutions as the body of a page, by nbconvert, with pictures as files and places for its widgets."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup

from pythia_course.site import alive
from pythia_course.site.words import sections

FOLDER = Path(__file__).parent
EXERCISE = re.compile(r"\*\*Exercise (\d+)")
SOLUTION = re.compile(r"\*\*(?:Exercise )?(\d+)\b")
BEGINS = re.compile(r"(?m)^(?=\*\*(?:Exercise )?\d+\b)")
CODE = '<div class="input_area"></div>'
SCROLLED = {"class": "wide", "tabindex": "0", "role": "group", "aria-label": "table"}
RUN_IT = (
    '<p class="needs-kernel">{} needs a running kernel: <a href="index.html#run">run this lesson</a> to use it.</p>'
)


@dataclass
class Lesson:
    """One page: its name, as in `04_noun.ipynb` without the ending; title; HTML; {file: bytes} of its pictures;
    {key: Alive} of its widgets; sections: (id, heading) of its contents; words: what search finds.
    """

    name: str
    title: str
    body: str
    pictures: dict
    widgets: dict
    sections: list
    words: list


def lesson(name: str, notebook: Path, solution: Path | None, with_widgets: bool = True) -> Lesson:
    """Read and render one.  with_widgets: run what its widgets need; else their stored pictures stand there."""
    read = nbformat.read(notebook, as_version=4)
    found = _widgets(name, read.cells) if with_widgets else {}
    for cell in read.cells:
        _without_a_kernel(cell)
    if solution:
        read.cells = _with_solutions(read.cells, nbformat.read(solution, as_version=4).cells)
    body, pictures = _rendered(name, read)
    soup = BeautifulSoup(body, "html.parser")
    finish(soup, pictures)
    title = soup.h1.get_text()
    contents = [(heading["id"], heading.get_text()) for heading in soup.find_all("h2")]
    filled = _with_code(str(soup), read.cells)
    return Lesson(name, title, filled, pictures, found, contents, sections(soup, title))


def _with_code(body, cells):
    """The page with its code, coloured: thousands of elements, which nobody needs to have read as such."""
    from nbconvert.filters import Highlight2HTML

    color, (first, *rest) = Highlight2HTML(pygments_lexer="ipython3"), body.split(CODE)
    codes = [color(cell.source) for cell in cells if cell.cell_type == "code"]
    areas = [f'<div class="input_area">{code}</div>{after}' for code, after in zip(codes, rest, strict=True)]
    return first + "".join(areas)


def _widgets(name, cells):
    """{key: Alive}; the cells are told which is theirs."""
    stills, found = [_still(cell) for cell in cells], {}
    places = [place for place, still in enumerate(stills) if still and alive.NEEDS_A_KERNEL not in still]
    for place, described in alive.widgets(cells, places).items() if places else ():
        key = f"{name[:2]}-{len(found) + 1}"
        cells[place].metadata["alive"] = key
        found[key] = described
    return found


def _still(cell):
    """What is stored in a widget's place, "" where there is none."""
    htmls = (output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))
    return next((text for text in htmls if "pythia-still" in text), "")


def _without_a_kernel(cell):
    """The stored sentence about a widget gives way to its picture, or to one sentence on how to run it."""
    if not (still := _still(cell)):
        return
    kept = [output for output in cell.outputs if "pythia-still" not in output.get("data", {}).get("text/html", "")]
    if not cell.metadata.get("alive"):
        what = re.search(r"<p[^>]*>(\w+)", still)[1]
        kept.append(nbformat.v4.new_output("display_data", {"text/html": RUN_IT.format(what)}))
    cell.outputs = kept


def _with_solutions(cells, solutions):
    """The lesson's cells, with the solution to each exercise folded behind it."""
    groups, found, asked = _by_exercise(solutions), [], []
    for cell in cells:
        begins = EXERCISE.findall(cell.source) if cell.cell_type == "markdown" else []
        if begins or (cell.cell_type == "markdown" and cell.source.startswith("## ")):
            found += _folded(asked, groups)
            asked = begins
        found.append(cell)
    return found + _folded(list(groups), groups)


def _by_exercise(solutions):
    """{number of the exercise: its cells}; what all share, such as imports, stands with the first."""
    groups, group = {}, []
    for cell in solutions[1:]:  # the first is their title
        pieces = BEGINS.split(cell.source) if cell.cell_type == "markdown" else [cell.source]
        for piece in filter(str.strip, pieces):
            if number := SOLUTION.match(piece) if cell.cell_type == "markdown" else None:
                group = groups[number[1]] = [] if groups else group
            group.append(cell.copy())
            group[-1].update(source=piece, id=f"solution-{cell.id}-{len(group)}", metadata=nbformat.from_dict({}))
    return groups


def _folded(numbers, groups):
    """The solutions to these exercises, taken out of the groups, each to be opened by whoever asks for it."""
    found = []
    for number in [number for number in numbers if number in groups]:
        group = groups.pop(number)
        group[0].metadata |= {"fold": f"Solution to exercise {number}", "fold_id": f"solution-{number}"}
        group[-1].metadata["fold_end"] = True
        found += group
    return found


def _rendered(name, read):
    """(HTML, {file: bytes} of its pictures)."""
    exporter = _exporter()
    resources = {"unique_key": f"{name[:2]}", "output_files_dir": "pictures"}
    body, after = exporter.from_notebook_node(read, resources)
    return body, after["outputs"]


@cache
def _exporter():
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import ExtractOutputPreprocessor

    exporter = HTMLExporter(
        extra_template_basedirs=[str(FOLDER)],
        template_name="template",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    exporter.register_preprocessor(ExtractOutputPreprocessor(extract_output_types={"image/png"}), enabled=True)
    return exporter


def markdown(text: str) -> BeautifulSoup:
    """A page of Markdown, as nbconvert reads it."""
    from nbconvert.filters import markdown2html

    soup = BeautifulSoup(markdown2html(text), "html.parser")
    for link in soup.find_all("a", class_="anchor-link"):
        link.decompose()
    return soup


def finish(soup: BeautifulSoup, pictures: dict) -> None:
    """Headings get an id, pictures their size; links to notebooks lead to pages; tables can be scrolled."""
    taken = {tag["id"] for tag in soup.find_all(id=True)}
    for heading in soup.find_all(["h2", "h3"], id=False):
        heading["id"] = _new_id(heading.get_text(), taken)
    for link in soup.find_all("a", href=True):
        link["href"] = _leads_to(link["href"])
    for picture in soup.find_all("img"):
        if data := pictures.get(picture["src"]):
            picture["width"], picture["height"] = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    for table in soup.find_all("table"):
        table.wrap(soup.new_tag("div", attrs=SCROLLED))


def _new_id(text, taken):
    base = re.sub(r"\W+", "-", text.lower()).strip("-")
    name = next(name for name in (base, *(f"{base}-{number}" for number in range(2, 100))) if name not in taken)
    taken.add(name)
    return name


def _leads_to(href):
    if found := re.fullmatch(r"(?:\.\./|notebooks/)*(solutions/)?(\d\d_\w+)\.ipynb", href):
        return f"{found[2]}.html" + ("#solution-1" if found[1] else "")
    return re.sub(r"^(?:\.\./)*docs/(\w+)\.md", r"\1.html", href)
