"""What a learner gave, read as numbers where it can be, and put into a few words: nothing here raises or runs wide."""

import ast
import re
import unicodedata

import numpy as np

WIDEST = 60  # characters of one value in a sentence
MOST = 10_000_000  # numbers that an answer may hold beside the wanted ones; more are not looked at
SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9, "%": 0.01, "percent": 0.01}
NUMBER_IN_WORDS = re.compile(
    r"(?:about|around|roughly|~|≈)?\s*(?P<sign>[-+]?)\s*(?P<digits>\d[\d.,_' ]*|\.\d+)(?P<power>e[-+]?\d+)?"
    r"\s*(?P<scale>k|thousand|m|million|bn|billion|%|percent)?(?:\s+[a-z ]*)?\.?"
)


def is_missing(answer):
    """Whether there is no answer yet: None, the three dots, or something with three dots left in it."""
    if isinstance(answer, str):
        return answer.strip() in ("...", "…")
    if isinstance(answer, list | tuple):
        return any(part is ... for part in answer)
    return answer is ... or answer is None


def as_array(answer, most=MOST):
    """An answer as a float64 array, or None where it is no numbers: text is read as in `candidates`."""
    found = candidates(answer, most)
    return found[0] if found else None


def candidates(answer, most=MOST):
    """All that an answer may mean, as float64 arrays, the likeliest first: "1,3" is 1.3, or the pair of 1 and 3."""
    try:
        if isinstance(answer, str):
            return [np.float64(number) for number in _numbers_in(answer)] + _lists_in(answer)
        array = _as_numpy(answer, most)
        return [] if array is None else [array]
    except Exception:  # whatever an object does when it is asked for its numbers, it has none
        return []


def _as_numpy(answer, most):
    if isinstance(answer, list | tuple) and any(hasattr(part, "detach") for part in answer):
        answer = [_of_tensor(part) if hasattr(part, "detach") else part for part in answer]
    if hasattr(answer, "detach"):
        answer = _of_tensor(answer) if answer.numel() <= most else None
    if getattr(answer, "size", 0) is None or np.size(answer) > most:
        return None
    array = np.ma.filled(answer.astype(float), np.nan) if isinstance(answer, np.ma.MaskedArray) else np.asarray(answer)
    if array.dtype.kind == "c" and not array.imag.any():
        array = array.real
    if array.dtype.kind == "O" and any(isinstance(part, bool | complex) for part in array.ravel()):
        return None
    return array.astype(np.float64) if array.dtype.kind in "iufUO" else None


def _of_tensor(tensor):
    tensor = tensor.detach().cpu()
    tensor = tensor.dequantize() if tensor.is_quantized else tensor
    tensor = tensor.to_dense() if str(tensor.layout) != "torch.strided" else tensor
    return (tensor.double() if tensor.is_floating_point() else tensor.resolve_conj()).numpy()


def _numbers_in(text):
    """The numbers that a text which holds one number may mean: 11,200, 11.200, 11 200, 11k, about 11,200 times."""
    text = unicodedata.normalize("NFKC", text[:200]).replace("−", "-").replace("’", "'").strip(" '\"").lower()
    match = NUMBER_IN_WORDS.fullmatch(text)
    if match is None:
        return _plain_float(text)
    scale, power = SCALES.get(match["scale"], 1), match["power"] or ""
    plain = [float(match["sign"] + number + power) for number in _without_separators(match["digits"].strip())]
    return [number * scale for number in plain] + (plain if scale != 1 else [])


def _plain_float(text):
    try:
        return [float(text)]
    except ValueError:
        return []


def _without_separators(digits):
    """A number as written here or there, as Python writes it; both where the one comma or dot may be either."""
    digits = re.sub(r"(?<=\d)[_' ](?=\d{3}(?!\d))", "", digits)
    if not re.fullmatch(r"[\d.,]*", digits):
        return []
    grouped = re.fullmatch(r"\d{1,3}([.,])\d{3}(?:\1\d{3})*", digits) is not None
    joined = [re.sub(r"[.,]", "", digits)] if grouped else []
    commas, dots = digits.count(","), digits.count(".")
    if commas and dots:
        decimal = max(",.", key=digits.rfind)
        whole, _, rest = digits.rpartition(decimal)
        return [f"{re.sub('[.,]', '', whole)}.{rest}"] if digits.count(decimal) == 1 else []
    if commas + dots > 1:
        return joined
    pointed = [digits.replace(",", ".")]
    return joined + pointed if commas else pointed + joined


def _lists_in(text):
    """The list that a text may be: "1, 3", "(1, 3)", "[0.5 0.25]"."""
    text = text.strip()
    inner = text.strip("()[] ")
    if len(text) > 10_000 or not re.search(r"\d[\s,]", inner):
        return []
    try:
        array = np.asarray(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        array = _spaced(inner)
    return [array.astype(np.float64)] if array.ndim and array.dtype.kind in "iuf" else []


def _spaced(text):
    """Numbers with spaces or commas between them; none where there are words too: "about 5,860" is one number."""
    try:
        return np.asarray([float(part) for part in text.replace(",", " ").split()])
    except ValueError:
        return np.float64(np.nan)


def shown(value):
    """A value in at most about sixty characters; nothing of an unknown object's own is called for it."""
    if isinstance(value, str):
        return repr(shortened(str(value), WIDEST))
    if value is None or isinstance(value, bool | np.bool_):
        return str(value)
    array = as_array(value, 10**6)
    if array is None:
        return _shown_parts(value) if isinstance(value, list | tuple) else kind(value)
    if array.ndim == 0:
        return shown_number(float(array))
    if array.ndim > 1 or array.size > 6:
        return f"an array of shape {array.shape}"
    return f"({', '.join(shown_number(float(number)) for number in array)})"


def _shown_parts(values):
    if len(values) > 6 or not all(isinstance(part, str | int | float) for part in values):
        return f"{kind(values)} of {len(values)}"
    return shortened(f"({', '.join(shown(part) for part in values)})", WIDEST)


def shown_number(number):
    """A float as a reader likes it: 11,200, 0.0005, 1e+99."""
    if number == number // 1 and 1 <= abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number + 0.0:.3g}"


def kind(value):
    """What sort of thing a value is, with its article."""
    for types, words in (
        (type(None) | type(...), "nothing"), (bool | np.bool_, "True or False"), (int | float | np.number, "a number"),
        (str, "a text"), (tuple, "a tuple"), (list, "a list"), (dict, "a dict"), (np.ndarray, "an array"),
    ):  # fmt: skip
        if isinstance(value, types):
            return words
    if type(value).__name__ in ("function", "method", "builtin_function_or_method"):
        return "a function"
    return "a tensor" if hasattr(type(value), "detach") else f"something of type {shortened(type(value).__name__, 40)}"


def shortened(text, most):
    """At most so many characters of a text, its middle left out, and nothing in it that a screen would obey."""
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} … {text[len(text) - most // 4 :]}"
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else "�" for sign in text)
