"""Many heads in one image, each a thumbnail: for `plots.attention_grid`.  Widgets draw their own in JavaScript."""

import numpy as np

NOT_ALLOWED = "0.88"  # grey of the keys a query may not look at
THUMBNAIL = 64  # pixels a side, about what a thumbnail has on a screen


def without_future(weights):
    """Masked where a query may not look: only zeros, so that weight on the future, a bug, is still seen."""
    future = np.triu(np.ones(weights.shape[-2:], dtype=bool), 1)
    return np.ma.masked_array(weights, future & (weights == 0))


def mosaic(weights):
    """All thumbnails in one image with a white gap around each: RGBA (pixel, pixel, 4)."""
    import matplotlib

    small = _shrunk(np.where(without_future(weights).mask, -1, weights))  # (layer, head, pixel, pixel)
    colors = matplotlib.colormaps["viridis"](np.ma.masked_less(small, 0))
    colors[small < 0] = matplotlib.colors.to_rgba(NOT_ALLOWED)
    gap = -(-small.shape[-1] // 20)
    colors = np.pad(colors, ((0, 0), (0, 0), (gap, gap), (gap, gap), (0, 0)), constant_values=1)
    layers, heads, side, _, _ = colors.shape
    return colors.transpose(0, 2, 1, 3, 4).reshape(layers * side, heads * side, 4)


def _shrunk(weights):
    """Each head at most THUMBNAIL pixels a side: a pixel keeps the largest weight of its block."""
    side = weights.shape[-1]
    pixels = min(side, THUMBNAIL)
    starts = np.arange(pixels) * side // pixels
    return np.maximum.reduceat(np.maximum.reduceat(weights, starts, axis=-1), starts, axis=-2)
