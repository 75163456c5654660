"""Each picture shows the numbers it was given, names them literally, and no label touches another."""

import itertools
import time

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from pythia_course import plots
from pythia_course.plots.axes import COLORS, drawable
from pythia_course.plots.thumbnails import THUMBNAIL

WORDS = (
    *(" the", " cat", "$x$", "<script>", "\n", "\t", "😀", "中文"),
    *("\x00", " " * 8, "é", " incomprehensibilities", "_"),
)


@pytest.fixture(autouse=True)
def figures_closed():
    plt.close("all")
    yield
    plt.close("all")


def words(number):
    return list(itertools.islice(itertools.cycle(WORDS), number))


def causal(*shape):
    """Random attention weights of shape (…, query, key)."""
    scores = np.tril(np.random.default_rng(0).random(shape) ** 4)
    return scores / scores.sum(-1, keepdims=True)


def touching(texts):
    """Pairs of texts that overlap by half a pixel or more once drawn."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(boxes, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 0.5 < min(one.y1, other.y1) - max(one.y0, other.y0)
    ]


def cut_off(ax):
    """Whether any of the picture lies outside its figure."""
    box, edge = ax.get_tightbbox(), ax.figure.bbox
    return box.x0 < edge.x0 - 1 or box.y0 < edge.y0 - 1 or box.x1 > edge.x1 + 1 or box.y1 > edge.y1 + 1


def texts(labels):
    return [label.get_text() for label in labels]


# ------------------------------------------------------------------------------------------------- attention


def test_attention_draws_the_weights_and_names_rows_and_columns_after_the_tokens():
    weights = causal(3, 3)
    ax = plots.attention(weights, [" the", " cat", "sat"], title="layer 0, head 1")
    drawn = ax.images[0].get_array()
    np.testing.assert_array_equal(drawn.filled(0), weights)
    assert texts(ax.get_xticklabels()) == texts(ax.get_yticklabels()) == ["␣the", "␣cat", "sat"]
    assert ax.get_title() == "layer 0, head 1"
    assert ax.images[0].get_clim() == (0, 1)


def test_attention_greys_the_future_but_never_hides_weight_on_it():
    weights = causal(4, 4)
    weights[0, 3] = 0.25  # somebody's mask has a hole
    mask = plots.attention(weights, "abcd").images[0].get_array().mask
    assert mask.sum() == 5 and mask[0, 1] and not mask[0, 3] and not np.tril(mask).any()


@pytest.mark.parametrize("number", [1, 5, 30, 100])
def test_attention_labels_do_not_touch(number):
    ax = plots.attention(causal(number, number), words(number), title="layer 11, head 10")
    ax.figure.canvas.draw()
    assert touching(ax.get_xticklabels()) == touching(ax.get_yticklabels()) == []
    assert len(ax.get_yticks()) == number
    assert not cut_off(ax)


@pytest.mark.parametrize("layout", ["constrained", "compressed", None])
def test_attention_labels_do_not_touch_in_a_figure_of_several(layout):
    figure = Figure((4, 4), layout=layout)
    grid = list(figure.subplots(2, 2).flat)
    for ax in grid:
        plots.attention(causal(14, 14), words(14), ax=ax, title="a head", colorbar=False)
    figure.canvas.draw()
    for ax in grid:
        assert touching(ax.get_xticklabels()) == touching(ax.get_yticklabels()) == []


def test_more_tokens_than_can_be_named_are_named_in_steps():
    ax = plots.attention(causal(300, 300), [str(i) for i in range(300)])
    shown = ax.get_yticks()
    assert 50 < len(shown) < 300
    assert texts(ax.get_yticklabels()) == [str(i) for i in shown]


def test_many_small_pictures_without_labels_do_not_lay_the_figure_out_each(monkeypatch):
    fig, axes = plt.subplots(2, 5, layout="constrained")
    laid_out = []
    monkeypatch.setattr(type(fig.get_layout_engine()), "execute", lambda *_: laid_out.append(1))
    for ax in axes.flat:
        plots.attention(causal(30, 30), [""] * 30, ax=ax, colorbar=False)
        assert not len(ax.get_xticks()) and not len(ax.get_yticks())
    assert not laid_out
    plots.attention(causal(30, 30), ["a"] * 30, ax=axes[0, 0], colorbar=False)
    assert laid_out


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros((4, 3, 3)), r"needs shape \(3, 3\), got \(4, 3, 3\). Pick one, for example trace.attention\[layer"),
        (np.zeros((2, 2)), r"needs shape \(3, 3\), got \(2, 2\)"),
        (np.full((3, 3), 7.0), "from 0 to 1, got 0 to 7. Take the softmax"),
        (np.full((3, 3), np.nan), "from 0 to 1, got nan"),
    ],
)
def test_attention_says_what_it_wants(weights, message):
    with pytest.raises(ValueError, match=message):
        plots.attention(weights, ["a", "b", "c"])


# ---------------------------------------------------------------------------------------- all heads at a glance


def test_attention_grid_puts_each_head_in_its_row_and_column():
    weights = np.zeros((2, 3, 2, 2))
    weights[..., 0, 0] = 1
    weights[..., 1, :] = [0.5, 0.5]
    weights[1, 2, 1] = [0.1, 0.9]
    ax = plots.attention_grid(weights, highlight=(1, 2))
    image, viridis = ax.images[0], matplotlib.colormaps["viridis"]
    pixels = image.get_array()
    left, right, bottom, top = image.get_extent()

    def colour(x, y):
        row = int((y - top) / (bottom - top) * pixels.shape[0])
        return pixels[row, int((x - left) / (right - left) * pixels.shape[1])]

    np.testing.assert_allclose(colour(2.2, 1.2), viridis(0.9))  # layer 1, head 2: bottom right
    np.testing.assert_allclose(colour(0.8, 0.2), viridis(0.5))  # layer 0, head 1: bottom left
    np.testing.assert_allclose(colour(1.2, 0.8), matplotlib.colors.to_rgba(plots.NOT_ALLOWED))
    assert ax.patches[0].get_xy() == (1.5, 0.5)
    assert texts(ax.get_xticklabels()) == ["0", "1", "2"] and texts(ax.get_yticklabels()) == ["0", "1"]


def test_attention_grid_keeps_thin_lines_of_long_prompts():
    previous = np.eye(300, k=-1)
    previous[0, 0] = 1
    pixels = plots.attention_grid(previous[None, None]).images[0].get_array()
    yellow = np.isclose(pixels, matplotlib.colormaps["viridis"](1.0)).all(-1)
    assert yellow.any(axis=1).sum() >= THUMBNAIL  # no gap in the diagonal
    assert pixels.shape[0] < 80


@pytest.mark.parametrize("shape", [(1, 1, 5, 5), (4, 4, 12, 12), (12, 12, 50, 50), (36, 40, 20, 20)])
def test_attention_grid_is_quick_and_legible(shape):
    weights = causal(*shape)
    start = time.process_time()
    ax = plots.attention_grid(weights, highlight=[(0, 0)])
    ax.figure.canvas.draw()
    assert time.process_time() - start < 1
    assert touching(ax.get_xticklabels()) == touching(ax.get_yticklabels()) == []
    assert not cut_off(ax)


def test_attention_grid_wants_all_heads():
    with pytest.raises(ValueError, match=r"needs shape \(layer, head, query, key\), got \(3, 3\)"):
        plots.attention_grid(np.zeros((3, 3)))


# ------------------------------------------------------------------------------------------------------- bars

BUDGETS = {"small": {"embedding": 6_000_000, "mlp": 2_000_000}, "$b$ig": {"embedding": 10_000_000, "_mlp": 152_322_944}}


def test_parameter_budget_adds_up_and_writes_the_totals():
    ax = plots.parameter_budget(BUDGETS)
    ends = [max(bars[row].get_x() + bars[row].get_width() for bars in ax.containers) for row in range(2)]
    assert ends == [8_000_000, 162_322_944]
    assert {"8M", "162M"} <= set(texts(ax.texts))
    assert texts(ax.get_yticklabels()) == ["small", "$b$ig"]
    assert texts(ax.get_legend().get_texts()) == ["embedding", "mlp", "_mlp"]
    assert ax.yaxis_inverted()  # the first model on top


def test_parameter_budget_as_shares_ends_at_100_percent():
    ax = plots.parameter_budget(BUDGETS, share=True)
    assert [bars[0].get_width() for bars in ax.containers] == [75, 25, 0]
    assert {"75%", "25%", "94%", "162M"} <= set(texts(ax.texts))


@pytest.mark.parametrize("budgets", [{}, {"a": {}}, {"a": {"mlp": 0}}])
def test_parameter_budget_wants_parameters(budgets):
    with pytest.raises(ValueError, match="one or more models with parameters"):
        plots.parameter_budget(budgets)


def test_next_token_shows_the_most_probable_first_with_its_probability():
    ax = plots.next_token([0.2, 0.5, 0.0001, 0.2], [" a", "b", "c", " a"], k=3)
    assert texts(ax.get_yticklabels()) == ["b", "␣a", "␣a"]  # two tokens may look the same
    assert [bar.get_width() for bar in ax.patches] == [0.5, 0.2, 0.2]
    assert texts(ax.texts) == ["50.0%", "20.0%", "20.0%"]
    assert ax.yaxis_inverted()


def test_next_token_with_fewer_tokens_than_asked_for():
    assert texts(plots.next_token([0.9996, 0.0004], ["a", "b"]).texts) == ["100.0%", "<0.1%"]


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.ones((2, 3)) / 3, r"needs shape \(vocab\), got \(2, 3\)"),
        ([0.5, 0.5], "got 2 probabilities and 3 tokens"),
        ([-3.0, 4.0, 1.0], "got -3 to 4. Take the softmax of the logits"),
    ],
)
def test_next_token_says_what_it_wants(probabilities, message):
    with pytest.raises(ValueError, match=message):
        plots.next_token(probabilities, ["a", "b", "c"])


@pytest.mark.parametrize("size", [(2, 1.5), (6, 3)])
def test_bars_are_named_without_touching_in_a_small_figure_too(size):
    figure = Figure(size, layout="constrained")
    ax = plots.next_token(np.full(20, 0.05), words(20), k=20, ax=figure.subplots())
    figure.canvas.draw()
    assert touching(ax.get_yticklabels()) == touching(ax.texts) == []


# ------------------------------------------------------------------------------------------------------ scores


def test_scores_over_steps_gives_step_0_a_place_and_names_lines_in_order():
    steps = [0, 1, 512, 3000]
    ax = plots.scores_over_steps(steps, {"low $a$ $b$": [0, 0, 0, 0.1], "_high": [0, 0.1, 0.2, 0.9]})
    ax.figure.canvas.draw()
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), np.column_stack([steps, [0, 0.1, 0.2, 0.9]]))
    assert texts(ax.get_legend().get_texts()) == ["_high", "low $a$ $b$"]
    assert texts(ax.get_xticklabels()) == ["0", "1", "10", "100", "1k"]
    places = ax.transData.transform([[step, 0] for step in (0, 1, 10, 3000)])[:, 0]
    assert (np.diff(places) > 10).all()
    assert touching([*ax.get_xticklabels(), *ax.get_yticklabels()]) == []


def test_scores_over_steps_sorts_steps_and_tells_many_lines_apart():
    scores = {str(i): [i, 0] for i in range(2 * len(COLORS))}
    ax = plots.scores_over_steps([5, 1], scores, log=False)
    assert ax.lines[3].get_xdata().tolist() == [1, 5] and ax.lines[3].get_ydata().tolist() == [0, 3]
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == len(scores)
    assert ax.get_xscale() == "linear"


def test_scores_over_steps_wants_one_value_a_step():
    with pytest.raises(ValueError, match=r"there are 2 steps, but 'a' has shape \(3,\)"):
        plots.scores_over_steps([0, 1], {"a": [1, 2, 3]})


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (12, 12)])
def test_head_scores_writes_each_value_into_its_cell(shape):
    scores = np.random.default_rng(0).random(shape)
    ax = plots.head_scores(scores)
    ax.figure.canvas.draw()
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    assert written == {place: f"{scores[place]:.2f}" for place in np.ndindex(shape)}
    assert touching(ax.texts) == []
    assert ax.images[0].get_clim() == (0, 1)


def test_head_scores_below_zero_are_drawn_around_it():
    assert plots.head_scores([[-3.0, 1.0]]).images[0].get_clim() == (-3, 3)


def test_scores_far_below_1_can_be_told_apart():
    assert plots.head_scores([[0.1, 0.4]], top=0.5).images[0].get_clim() == (0, 0.5)
    assert plots.head_scores([[0.1, 0.7]], top=0.5).images[0].get_clim() == (0, 0.7)


def test_head_scores_wants_one_number_a_head():
    with pytest.raises(ValueError, match=r"needs shape \(layer, head\), got \(2,\)"):
        plots.head_scores([1, 2])


def test_a_score_that_rounds_to_nothing_has_no_sign():
    assert texts(plots.head_scores([[-0.001, -0.006]]).texts) == ["0.00", "-0.01"]


# ------------------------------------------------------------------------------------------------- stream


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (13, 24)])
def test_stream_has_a_row_a_layer_and_a_column_a_token_and_nothing_touches(shape):
    values = np.random.default_rng(0).random(shape)
    ax = plots.stream(values, words(shape[1]))
    ax.figure.canvas.draw()
    assert texts(ax.get_xticklabels()) == [drawable(word) for word in words(shape[1])]
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    assert written == {place: f"{values[place]:.2f}" for place in np.ndindex(shape)}
    assert np.array_equal(ax.images[0].get_array(), values) and ax.images[0].get_clim() == (0, 1)
    assert touching(ax.texts) == [] and touching(ax.get_xticklabels()) == [] and not cut_off(ax)


def test_stream_writes_words_in_place_of_numbers_each_into_its_own_cell():
    labels = [words(9)[row:] + words(row) for row in range(5)]
    ax = plots.stream(np.zeros((5, 9)), words(9), words=labels)
    ax.figure.canvas.draw()
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    assert written == {(row, at): drawable(labels[row][at], longest=10) for row in range(5) for at in range(9)}
    assert touching(ax.texts) == []


def test_stream_below_zero_is_drawn_around_it():
    assert plots.stream([[-0.5, 1.5]], ["a", "b"]).images[0].get_clim() == (-1.5, 1.5)


def test_stream_says_what_it_wants():
    with pytest.raises(ValueError, match=r"needs shape \(layers read, position\), got \(2,\)"):
        plots.stream([1, 2], ["a", "b"])
    with pytest.raises(ValueError, match="one token a column: 2 columns and 3 tokens"):
        plots.stream([[1, 2]], ["a", "b", "c"])


# ------------------------------------------------------------------------------------------------- all of them

PICTURES = {
    "attention": lambda **on: plots.attention(causal(13, 13), words(13), **on),
    "attention_grid": lambda **on: plots.attention_grid(causal(2, 2, 3, 3), **on),
    "parameter_budget": lambda **on: plots.parameter_budget({word: {word: 1} for word in WORDS}, share=True, **on),
    "next_token": lambda **on: plots.next_token(np.full(13, 1 / 13), words(13), k=13, **on),
    "scores_over_steps": lambda **on: plots.scores_over_steps([0, 9], {word: [0, 1] for word in WORDS}, **on),
    "head_scores": lambda **on: plots.head_scores(np.ones((2, 2)), **on),
    "stream": lambda **on: plots.stream(np.ones((2, 13)), words(13), words=[words(13)] * 2, **on),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_any_text_is_drawn_literally_without_a_warning(name):
    ax = PICTURES[name](title="after $\\frac{ 😀 中 \x07")
    ax.figure.canvas.draw()
    assert ax.get_title() == "after $\\frac{ 😀 \\u4e2d \\x07"
    dollars = [text for text in ax.findobj(matplotlib.text.Text) if "$" in text.get_text()]
    assert dollars and not any(text.get_parse_math() for text in dollars)


@pytest.mark.parametrize("name", PICTURES)
def test_a_given_axes_is_all_that_is_touched(name):
    _, (mine, other) = plt.subplots(1, 2)
    plt.sca(other)
    settings = matplotlib.rcParams.copy()
    assert PICTURES[name](ax=mine) is mine
    assert plt.gca() is other and not other.has_data()
    assert plt.get_fignums() == [1]
    assert matplotlib.rcParams == settings


@pytest.mark.parametrize("name", PICTURES)
def test_without_an_axes_a_new_figure_is_made_for_the_notebook_to_show(name):
    ax = PICTURES[name]()
    assert plt.get_fignums() == [1] and ax.figure is plt.figure(1)


def test_text_is_shortened_and_runs_of_spaces_are_counted():
    assert drawable(" " * 16) == "␣×16"
    assert drawable("a\n\tb ") == "a↵⇥b␣"
    assert drawable(" incomprehensibilities") == "␣incomprehe…lities"
    assert drawable("中\u200b\ufffd") == "\\u4e2d\\u200b\ufffd"
