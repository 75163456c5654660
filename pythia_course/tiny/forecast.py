"""How long a training will take on this machine, found out by a few steps of a copy that is then thrown away."""

from time import perf_counter

from .corpus import TOKENS_A_STEP

SECONDS = 2  # the copy takes steps for so long, at least one and at most a hundredth of those that are left


def forecast(run, stop, threads):
    """One sentence for a `train.Run` that goes on to step `stop`; "" where nothing is left.

    The run itself stays as it is.  The losses measured at checkpoints are not counted.
    """
    left = stop - run.step
    if left < 1:
        return ""
    seconds = seconds_per_step(run, left)
    step, are = ("step", "is") if left == 1 else ("steps", "are")
    what = f"{left:,} {step} of {TOKENS_A_STEP:,} tokens{f' {are} left' if run.step else ''}"
    how = f"{TOKENS_A_STEP / seconds:,.0f} tokens per second, {run.dtype}, {_where(run, threads)}"
    return f"{what}: about {duration(left * seconds)} here ({how})."


def seconds_per_step(run, left):
    """Mean seconds of steps like the next one of this run, measured on a copy; a first step warms up."""
    copy = type(run)(run.name, run.seed, run.device, run.dtype, run.peak)
    copy.step = run.step
    copy.advance()
    begin, taken, seconds = perf_counter(), 0, 0.0
    while taken == 0 or (taken < left // 100 and seconds < SECONDS):
        copy.step = run.step  # the same batch again: the one after it may not exist
        copy.advance()
        taken, seconds = taken + 1, perf_counter() - begin
    return seconds / taken


def duration(seconds):
    """Seconds in words: "1 h 20 min", "12 min", "40 s"."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _where(run, threads):
    if not str(run.device).startswith("cpu"):
        return str(run.device)
    return f"{threads} {'thread' if threads == 1 else 'threads'}"
