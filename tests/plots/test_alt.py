"""Every figure says what is to be seen on it: in true numbers, in few words, and all the way into a notebook."""

import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter

from pythia_course import plots, suite
from pythia_course.plots.colors import MODELS, OTHERS, ROLES, SIZES
from pythia_course.plots.described import LONGEST, MISSING

ROOT = Path(__file__).resolve().parents[2]
EYE = np.eye(6, k=-1) + np.diag([1.0] + 5 * [0.0])  # each token looks at the one before it


@pytest.fixture(autouse=True)
def figures_closed():
    yield
    plt.close("all")


def test_attention_says_where_the_head_looks():
    text = plots.alt(plots.attention(EYE, "abcdef", title="layer 1, head 3").figure)
    assert text.startswith("layer 1, head 3. Attention map of 6 tokens. Mean weight: 1.00 on the token before, 0.20 on")
    weights = np.diag(np.ones(6))
    weights[5, [2, 5]] = 0.75, 0.25
    assert "further back: “ f” (token 5) at “c” (token 2), 0.75." in plots.alt(
        plots.attention(weights, ["a", "b", "c", "d", "e", " f"])
    )


def test_a_grid_of_heads_names_the_best_and_the_framed():
    weights = np.tile(np.diag(np.ones(6)), (2, 3, 1, 1))
    weights[1, 2] = EYE
    text = plots.alt(plots.attention_grid(weights, highlight=(1, 0)))
    assert "the token before: layer 1 head 2 with 1.00" in text and text.endswith("Framed: layer 1 head 0.")


def test_budgets_say_totals_and_largest_parts():
    text = plots.alt(plots.parameter_budget({"gpt2": {"mlp": 3_000_000, "attention": 1_000_000}}))
    assert text.endswith("gpt2 4M, 75% mlp.")


def test_next_tokens_are_the_first_three_as_read_aloud():
    text = plots.alt(plots.next_token([0.2, 0.5, 0.0001, 0.3], [" a", "b", "c", "\n"]))
    assert text == "Bars of the 4 likeliest next tokens: “b” 50.0%, “↵” 30.0%, “ a” 20.0%; the next <0.1%."


def test_lines_over_steps_say_ends_and_peaks_and_what_was_renamed_later():
    ax = plots.scores_over_steps([9000, 0, 10], {"up": [0.9, 0.1, 0.2], "hill": [0.3, 0, 2]})
    ax.set_ylabel("loss (nats)")
    ax.set_title("two lines")
    courses = "up from 0.1 to 0.9; hill from 0 to 0.3, highest 2 at step 10."
    assert plots.alt(ax.figure) == f"two lines. Loss (nats) over steps 0 to 9,000. {courses}"


def test_of_many_lines_the_highest_and_the_lowest_are_named():
    ax = plots.scores_over_steps([0, 1], {f"line {n}": [0, n] for n in range(9)})
    assert re.findall(r"line \d", plots.alt(ax)) == ["line 8", "line 7", "line 1", "line 0"]


def test_heat_maps_say_where_the_extremes_are():
    assert "highest 0.9 at layer 1, head 0; lowest 0.1 at layer 0, head 0; median" in plots.alt(
        plots.head_scores([[0.1, 0.2], [0.9, np.nan]])
    )
    assert "highest -1 at layers read 0, token 1 “ b”" in plots.alt(plots.stream([[-3, -1.0]], ["a", " b"]))


def test_an_author_has_the_last_word_and_may_say_more():
    ax = plots.head_scores([[0.5]])
    assert plots.alt(ax, plots.alt(ax) + " More.").endswith("More.") and plots.alt(ax.figure).endswith("More.")
    assert plots.alt(ax.figure, "Only this.") == plots.alt(ax.figure) == "Only this."


@pytest.mark.parametrize(("text", "message"), [(" ", "Say what"), ("x" * 301, "301. Keep what matters")])
def test_an_alt_text_is_neither_empty_nor_long(text, message):
    with pytest.raises(ValueError, match=message):
        plots.alt(plt.figure(), text)


def test_many_panels_still_fit():
    figure, axes = plt.subplots(3, 4)
    for ax in axes.flat:
        lines = {f"a line with a long name {number}": [0, number] for number in range(4)}
        plots.scores_over_steps([0, 1], lines, ax=ax, title="panel")
    assert plots.alt(figure).startswith("12 panels. panel. ") and len(plots.alt(figure)) <= LONGEST


def test_what_nobody_described_says_so_and_gives_what_is_written_on_it():
    figure, (left, right) = plt.subplots(1, 2)
    plots.head_scores([[0.5]], ax=left)
    right.set(title="mine", xlabel="width")
    assert plots.alt(figure).split(" panels. ")[-1].startswith(f"{MISSING}. mine; across: width")
    plots.alt(right, "A line falls.")
    assert MISSING not in plots.alt(figure)


SHOWN = """
from pythia_course import plots
ax = plots.head_scores([[0.25]], title='a "b" & c')
"""


def test_a_notebook_keeps_the_alt_text_from_the_kernel_to_the_page(tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the tests' own Agg would leave figures out
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SHOWN)]), path)
    runpy.run_path(str(ROOT / "notebooks/build.py"))["build"](path)
    notebook = nbformat.read(path, as_version=4)
    (picture,) = [output for output in notebook.cells[0].outputs if "image/png" in output.get("data", {})]
    text = 'a "b" & c. Heat map, 1 rows by 1 columns: highest 0.25 at layer 0, head 0;'
    assert picture.metadata["image/png"]["alt"].startswith(text)
    templates = str(ROOT / "jupyter/nbconvert/templates")
    ours = HTMLExporter(template_name="pythia-course", extra_template_basedirs=[templates])
    for exporter in (ours, HTMLExporter(template_name="classic")):
        page, _ = exporter.from_notebook_node(notebook)
        assert re.search(r"<img [^>]*alt=[^>]*&amp; c. Heat map, 1 rows by 1 columns: highest 0.25", page)


def test_each_model_and_each_role_has_a_colour_of_its_own():
    colors = [*MODELS.values(), *SIZES.values(), *ROLES.values()]
    assert len({color.lower() for color in colors}) == len(colors)
    assert set(MODELS) >= set(suite.TINY)
    assert ROLES.keys() >= suite.parameters(suite.SUITE["gpt2"]).keys()
    assert [plots.color_of(name) for name in suite.PYTHIAS] == list(SIZES.values())
    assert plots.color_of("pythia-1b-deduped") == plots.color_of("1b") and plots.color_of("best induction head")
    with pytest.raises(ValueError, match="no colour for 'someone'"):
        plots.color_of("someone")


def luminance(color):
    """Relative luminance as WCAG 2.2 defines it."""
    channels = np.array(plt.matplotlib.colors.to_rgb(color))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def test_lines_are_seen_on_white_and_models_are_told_apart_in_grey():
    fills = {"embedding", "layernorms"}  # drawn as areas only
    lines = [*MODELS.values(), *SIZES.values(), *OTHERS, *(ROLES[role] for role in ROLES.keys() - fills)]
    assert min(1.05 / (luminance(color) + 0.05) for color in lines) >= 3  # WCAG 2.2, 1.4.11
    grey = [116 * luminance(color) ** (1 / 3) - 16 for color in SIZES.values()]
    assert (np.diff(grey) < -3).all()  # the larger the darker
    tiny = sorted(116 * luminance(MODELS[name]) ** (1 / 3) - 16 for name in suite.TINY)
    assert min(np.diff(tiny)) > 5  # L*, of 100
    styles = [tuple(plots.line_of(name).values())[1:] for name in suite.TINY]
    assert len(set(styles)) == len(styles)


def test_seeds_of_one_size_are_told_apart():
    for names in (["tiny-pythia", "tiny-pythia-seed2"], ["pythia-160m", "pythia-160m-deduped", "pythia-160m-seed3"]):
        lines = plots.scores_over_steps([0, 1], {name: [0, 1] for name in names}).lines
        assert lines[0].get_color() == plots.color_of(names[1])
        assert len({line.get_color() for line in lines}) == len(names)


def test_models_keep_their_colour_whatever_stands_beside_them():
    for names in (["tiny-gpt2", "mine"], ["theirs", "mine", "tiny-gpt2"]):
        lines = plots.scores_over_steps([0, 1], {name: [0, 1] for name in names}).lines
        assert lines[names.index("tiny-gpt2")].get_color() == plots.color_of("tiny-gpt2")
        assert len({line.get_color() for line in lines}) == len(names)
