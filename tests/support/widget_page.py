"""What the tests of widgets in a real browser do alike: press keys, read pictures and colours, ask the kernel."""

import base64
from urllib.parse import urlsplit

import matplotlib
import numpy as np

FRAMES = 3 * 17  # milliseconds: one frame where nothing else runs, three beside another worker of the tests
LEVELS = matplotlib.colormaps["viridis"](np.arange(256), bytes=True)[:, :3].astype(int)
RGB = np.array([1 << 16, 1 << 8, 1])  # a colour as one number
PRINTS = """
async ([code, expected]) => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session, run = kernel.requestExecute({ code });
  let printed = "";
  run.onIOPub = ({ content }) => { printed += content.text ?? ""; };
  await run.done;
  return printed === expected;
}
"""


def press(page, key, times=1):
    for _ in range(times):
        page.keyboard.press(key)


def levels(pixels, width):
    """(row, column) levels of the colour map in RGBA bytes, -1 where the page shines through."""
    pixels = np.frombuffer(pixels, np.uint8).reshape(-1, width, 4).astype(int)
    table, colors, opaque = LEVELS @ RGB, pixels[..., :3] @ RGB, pixels[..., 3] == 255
    order = np.argsort(table)
    found = order[np.searchsorted(table, colors, sorter=order).clip(0, 255)]
    assert np.array_equal(table[found][opaque], colors[opaque])
    return np.where(opaque, found, -1)


def canvas_levels(page, selector=".pcw-canvas", nth=0):
    """The levels that a canvas shows."""
    script = "c => btoa(String.fromCharCode(...c.getContext('2d').getImageData(0, 0, c.width, c.height).data))"
    canvas = page.locator(selector).nth(nth)
    return levels(base64.b64decode(canvas.evaluate(script)), int(canvas.evaluate("c => c.width")))


def assert_drawn(drawn, weights):
    """drawn: levels, -1 where nothing is.  weights: (query, key) of one head."""
    future = np.triu(np.ones(weights.shape, bool), 1)
    assert np.array_equal(drawn < 0, future)
    wanted = np.rint(255 * weights).astype(int)  # two neighbours share one colour in two places of the map
    assert np.array_equal(LEVELS[drawn][~future], LEVELS[wanted][~future])


def hosts(asked):
    """Names of the machines in a list of addresses."""
    return {urlsplit(url).hostname for url in asked if urlsplit(url).scheme not in ("blob", "data")}


def assert_readable(page, selectors):
    """In the dark theme, text has the contrast of 4.5 to 1 that WCAG 2.2 asks for (success criterion 1.4.3)."""
    paper, opacity = _rgba(page, ".jp-Notebook", "backgroundColor")
    assert _luminance(paper) < 0.05 and opacity == 1
    for selector in selectors:
        color, opacity = _rgba(page, selector, "color")
        ink = opacity * color + (1 - opacity) * paper
        assert contrast(ink, paper) >= 4.5, (selector, color)


def contrast(one, other):
    """Contrast ratio, 1 to 21, of two colours (red, green, blue), 0 to 255. Source: WCAG 2.2."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color):
    """Relative luminance of (red, green, blue), 0 to 255. Source: WCAG 2.2."""
    channels = np.asarray(color[:3]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def _rgba(page, selector, style):
    """(red, green, blue), 0 to 255, and opacity of a computed colour."""
    color = page.locator(selector).first.evaluate("(element, style) => getComputedStyle(element)[style]", style)
    channels = [float(part) for part in color[color.index("(") + 1 : -1].split(",")]
    return np.array(channels[:3]), (channels[3:] or [1])[0]
