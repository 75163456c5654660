"""Arrays in, a sentence out: what a picture of them shows, for its alt text.  Every number is computed."""

import numpy as np


def attention(weights, tokens):
    """Where one head looks on average, and its strongest look further back.  weights: (query, key)."""
    weights, number = np.asarray(weights, dtype=float), len(tokens)
    if number < 2:
        return f"Attention map of {_count(number, 'token')}."
    looks = {
        "the token before": np.diagonal(weights, -1).mean(),
        "the first token": weights[1:, 0].mean(),
        "itself": np.diagonal(weights)[1:].mean(),
    }
    means = ", ".join(f"{value:.2f} on {what}" for what, value in sorted(looks.items(), key=lambda look: -look[1]))
    return f"Attention map of {number} tokens. Mean weight: {means}.{_look_back(weights, tokens)}"


def _look_back(weights, tokens):
    """The largest weight on a token that is neither the first nor one of the last two, if it is large."""
    further = np.tril(weights, -2)
    further[:, :1] = 0
    query, key = np.unravel_index(further.argmax(), further.shape)
    if further[query, key] < 0.2:
        return ""
    looking, seen = _token(tokens[query], query), _token(tokens[key], key)
    return f" Strongest look further back: {looking} at {seen}, {further[query, key]:.2f}."


def attention_grid(weights, highlight):
    """Which head looks most at the token before, and which at the first.  weights: (layer, head, query, key)."""
    weights = np.asarray(weights, dtype=float)
    layers, heads, number, _ = weights.shape
    text = f"{_count(layers * heads, 'head')}, {layers} by {heads}, over {_count(number, 'token')}."
    if number > 1:
        previous = _best(np.diagonal(weights, -1, -2, -1).mean(-1))
        first = _best(weights[..., 1:, 0].mean(-1))
        text += f" Looks most at the token before: {previous}; most at the first token: {first} (mean weights)."
    framed = ", ".join(_head(layer, head) for layer, head in highlight)
    return text + (f" Framed: {framed}." if framed else "")


def _best(scores):
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    return f"{_head(layer, head)} with {scores[layer, head]:.2f}"


def _head(layer, head):
    return f"layer {layer} head {head}"


def parameter_budget(names, components, counts, human):
    """Each model's total and largest part.  counts: (model, component); human: number -> "162M"."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    texts = [
        f"{name} {human(total)}, {share.max():.0%} {components[share.argmax()]}"
        for name, total, share in zip(names, counts.sum(axis=1), shares)
    ]
    return f"Bars of parameters by component. Total and largest part: {'; '.join(texts)}."


def next_token(probabilities, labels, percent):
    """The first three bars.  probabilities, labels: (bar), likeliest first; percent: 0.123 -> "12.3%"."""
    first = ", ".join(f"{_quoted(label)} {percent(p)}" for label, p in zip(labels[:3], probabilities))
    rest = f"; the next {percent(probabilities[3])}" if len(labels) > 3 else ""
    return f"Bars of the {_count(len(labels), 'likeliest next token')}: {first}{rest}."


def courses(places, lines, what, over=("steps", "step")):
    """Each line's first and last value, and its peak or dip.

    places: (place,), rising; lines: {label: (place,) or fewer}; over: how places are called, and one.
    """
    what = what[:1].upper() + what[1:]
    if not len(places):
        return f"{what}: no {over[0]}."
    told = list(lines)
    if len(told) > 4:  # the ends of the legend
        told.sort(key=lambda label: -np.nan_to_num(lines[label][-1]))
        told = [*told[:2], *told[-2:]]
    texts = "; ".join(f"{label} {_course(places, lines[label], over[1])}" for label in told)
    among = f" Two highest and two lowest of {len(lines)} lines:" if len(lines) > 4 else ""
    return f"{what} over {over[0]} {_number(places[0])} to {_number(places[-1])}.{among} {texts}."


def _course(places, values, one):
    """ "from 0.06 to 0.97", and where it went beyond both ends."""
    seen = np.isfinite(values)
    if not seen.any():
        return "has no values"
    places, values = np.asarray(places)[: len(values)][seen], np.asarray(values)[seen]
    first, last, slack = values[0], values[-1], 0.1 * np.ptp(values)
    text = f"from {_number(first)} to {_number(last)}"
    for word, at, beyond in (
        ("highest", values.argmax(), values.max() - max(first, last)),
        ("lowest", values.argmin(), min(first, last) - values.min()),
    ):
        if beyond > slack:
            text += f", {word} {_number(values[at])} at {one} {_number(places[at])}"
    return text


def losses(heights, tokens):
    """Each model's mean and its highest bar.  heights: {model: (token,)}, nats; tokens: (token,)."""
    texts = []
    for name, values in heights.items():
        mean, top = _number(np.mean(values)), np.argmax(values)
        texts.append(f"{name} mean {mean}, highest {_number(values[top])} at {_quoted(tokens[top])}")
    return f"Bars of the loss, in nats, at {_count(len(tokens), 'token')}: {'; '.join(texts)}."


def losses_added_up(sums):
    """Where each model's climbing line ends.  sums: {model: (character, nats), the last of the text}."""
    ends = "; ".join(f"{name} {_number(nats)} nats after {at} characters" for name, (at, nats) in sums.items())
    return f"Loss added up along the text: {ends}."


def heat_map(values, row_name, columns):
    """The range and the places of the extremes.  values: (row, column); columns: how each column is called."""
    values = np.asarray(values, dtype=float)
    text = f"Heat map, {len(values)} rows by {values.shape[1]} columns"
    if not np.isfinite(values).any():
        return f"{text}, without values."
    high, low = (np.unravel_index(find(values), values.shape) for find in (np.nanargmax, np.nanargmin))
    places = (f"{_number(values[at])} at {row_name} {at[0]}, {columns[at[1]]}" for at in (high, low))
    return f"{text}: highest {next(places)}; lowest {next(places)}; median {_number(np.nanmedian(values))}."


def shares_of_tokens(parts, names):
    """How much of a batch each source has, the largest first.  parts: (row, position), which of the names."""
    rows, length = np.shape(parts)
    shares = np.bincount(np.ravel(parts), minlength=len(names)) / max(np.size(parts), 1)
    order = sorted(range(len(names)), key=lambda part: -shares[part])
    texts = ", ".join(f"{names[part]} {shares[part]:.0%}" for part in order)
    return f"A picture of {rows:,} rows by {length:,} positions, a colour for each part. Shares: {texts}."


def column(place, token):
    """ "token 3 “ red”": how a sentence calls a column of a heat map that has one per token."""
    return f"token {place} {_quoted(token)}"


def _token(label, place):
    return f"{_quoted(label)} (token {place})" if str(label).strip() else f"token {place}"


def _quoted(label):
    """A token between quotation marks, its spaces as spaces again: that is how it is read aloud."""
    return f"“{str(label).replace('␣', ' ')}”"


def _count(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"


def _number(value):
    """As many digits as one reads off a picture: 0.97, 12.3, 6,200."""
    if not np.isfinite(value):
        return "not a number"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.01 else 4
    text = f"{np.round(float(value), decimals) + 0.0:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text
