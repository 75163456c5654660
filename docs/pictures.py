"""Draw the pictures of the README with what the course itself offers: `make pictures`."""

from pathlib import Path

from pythia_course import load, measures, plots, suite
from pythia_course.tiny.train import training_log

FOLDER = Path(__file__).parent / "images"
TEXT = "Mia had a red ball, and she loved it. Then Mia lost the red"


def main():
    """Save each picture as a PNG without a date in it."""
    import matplotlib

    matplotlib.use("Agg")
    FOLDER.mkdir(exist_ok=True)
    for name, ax in pictures():
        ax.figure.savefig(FOLDER / f"{name}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})


def pictures():
    """(file name, Axes) of each picture."""
    trace = load("tiny-pythia").trace(TEXT)
    layer, head, _ = measures.best_head(measures.previous_token_scores(trace.attention))
    title = f"layer {layer}, head {head}"
    yield "previous_token_head", plots.attention(trace.attention[layer, head], trace.tokens, title=title)
    yield "all_heads", plots.attention_grid(trace.attention, title="every head of tiny-pythia", highlight=(layer, head))
    log = training_log("tiny-pythia")
    skills = {"previous-token head": log["previous_token"], "induction head": log["induction"]}
    yield "skills_over_training", plots.scores_over_steps(log["step"], skills, title="best heads of tiny-pythia")
    names = ("pythia-70m", "pythia-160m", "pythia-410m", "pythia-1b", "gpt2")
    budgets = {name: suite.parameters(suite.SUITE[name]) for name in names}
    yield "parameter_budget", plots.parameter_budget(budgets, share=True, title="where the parameters are")


if __name__ == "__main__":
    main()
