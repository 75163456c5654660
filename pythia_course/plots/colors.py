"""One colour a model and one a role, the same in every figure of the course.

A model's line also has a dash and a marker of its own, so that a figure reads in grey and on paper: solid where the
block is parallel and dashed where it is sequential, round where positions are rotary and square where they are learned.
"""

# Okabe and Ito's palette, told apart by colour-blind eyes, without its yellow, which is faint on white.
# Source: https://jfly.uni-koeln.de/color/
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")

# Blues are rotary and reds learned, dark is parallel and light sequential; all four differ in grey, too. Of
# tiny-pythia's sizes the larger is the darker, green to violet around its own blue.
MODELS = {
    "tiny-pythia": "#0072B2",
    "tiny-pythia-sequential": "#3F97D2",
    "tiny-pythia-91k": "#6A994E",
    "tiny-pythia-281k": "#1B8A9A",
    "tiny-pythia-5m": "#2F3E9E",
    "tiny-pythia-26m": "#2A0F5E",
    "tiny-gpt2": "#D55E00",
    "tiny-gpt2-parallel": "#7A2E00",
    "gpt2": "#A50F45",
    "gpt-neo-125m": "#7B3FA0",
}
# Green to dark violet, of matplotlib's viridis: the larger the darker.
SIZES = {
    "14m": "#1FA188",
    "31m": "#21918C",
    "70m": "#26828E",
    "160m": "#2C728E",
    "410m": "#33638D",
    "1b": "#3B528B",
    "1.4b": "#424086",
    "2.8b": "#472D7B",
    "6.9b": "#48186A",
    "12b": "#440154",
}
ROLES = {
    "embedding": "#88CCEE",
    "position table": "#882255",
    "attention": "#1B7F79",
    "mlp": "#B08A10",
    "layernorms": "#999999",
    "unembedding": "#332288",
    "residual stream": "#000000",
    "previous token": "#3B6E00",
    "induction": "#B3579A",
}
OTHERS = ("#009E73", "#C0398B", "#8A7A00", "#000000", "#6E6E6E", "#44359B")  # lines that are neither
LINE_STYLES = ("-", "--", ":", "-.")


def color_of(name) -> str:
    """The colour, "#RRGGBB", of a model ("tiny-gpt2", "pythia-160m", "12b") or a role ("induction", "mlp").

    A deduplicated model and another seed have the colour of their size.  Raises ValueError for any other name.
    """
    found = _known(name)
    if found is None:
        names = ", ".join([*MODELS, "pythia-70m", *ROLES])
        raise ValueError(f"There is no colour for {name!r}. Those with one: {names}. For others take plots.COLORS.")
    return found


def line_of(name) -> dict:
    """color_of(name) with a dash and a marker, as `ax.plot` takes them: `ax.plot(x, y, **line_of("tiny-gpt2"))`."""
    sequential = name in ("tiny-pythia-sequential", "tiny-gpt2", "gpt2", "gpt-neo-125m")
    marker = "s" if name in ("tiny-gpt2", "tiny-gpt2-parallel", "gpt2", "gpt-neo-125m") else "o"
    return {"color": color_of(name), "linestyle": "--" if sequential else "-", "marker": marker}


def lines_of(labels) -> list[dict]:
    """One style a label: a model and a role have their own, the others what none of these has, in order.

    Of two seeds of one size, which share a colour, the first has it, and the second counts among the others.
    """
    labels = list(labels)
    known = [_known(label) for label in labels]
    known = [None if color in known[:place] else color for place, color in enumerate(known)]
    free = [color for color in OTHERS if color not in known]
    unknown = [place for place, color in enumerate(known) if color is None]
    styles = {
        place: {
            "color": free[number % len(free)],
            "linestyle": LINE_STYLES[number // len(free) % len(LINE_STYLES)],
            "marker": "o",
        }
        for number, place in enumerate(unknown)
    }
    return [styles.get(place) or line_of(label) for place, label in enumerate(labels)]


def _known(name):
    """The colour of a model, a size or a role, or None."""
    size = str(name).removeprefix("pythia-").removesuffix("-deduped").partition("-seed")[0]
    role = str(name).removeprefix("best ").removesuffix(" head").replace("-", " ").replace("_", " ")
    return MODELS.get(str(name).partition("-seed")[0]) or SIZES.get(size) or ROLES.get(role)
