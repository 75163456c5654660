"""What the tests of widgets in a real browser do alike: press keys, read colours, ask the kernel."""

from urllib.parse import urlsplit

import numpy as np

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
