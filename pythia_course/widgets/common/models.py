"""Which models a page computes itself, those that ship as they ship, and these opened for the kernel's part."""

from functools import lru_cache

from pythia_course import load, suite
from pythia_course.inside.prompts import refuse_length, token_ids
from pythia_course.inside.tracing import LanguageModel


def opened(model):
    """(the model, or None where it is a checkpoint that ships, {"model": its name, "step": its step}).

    model: what `load` opened, or a name that it takes.
    """
    if isinstance(model, LanguageModel):
        lm = None if ships(model) else model
    else:
        name = suite.short_name(model) if isinstance(model, str) else model
        if name in suite.SHIPPED:
            return None, {"model": name, "step": suite.steps(name)[-1]}
        lm = model = load(model)
    return lm, {"model": model.name, "step": model.step}


def ships(lm) -> bool:
    """Whether the weights are, to the last digit, those of a checkpoint that ships."""
    if lm.name not in suite.SHIPPED or lm.step not in suite.steps(lm.name):
        return False
    from torch import equal

    ours, theirs = checkpoint(lm.name, lm.step).model.state_dict(), lm.model.state_dict()
    return ours.keys() == theirs.keys() and all(equal(ours[name], theirs[name].cpu()) for name in ours)


@lru_cache(maxsize=4)
def checkpoint(name, step):
    """A model that ships, opened for the widgets alone."""
    return load(name, step)


def number_of_tokens(tokenizer, text: str, most: int, who: str) -> int:
    """How many tokens a text has; ValueError for none, and for more than a widget draws."""
    number = len(ids := token_ids(tokenizer, text))
    if not number:
        refuse_length(ids, most, who)
    if number > most:
        raise ValueError(f"{who} draws texts of 1 to {most} tokens, and this one has {number}: shorten it.")
    return number
