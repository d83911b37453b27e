"""What the values of a mask file mean: which pixels are the object, which numbers."""

from __future__ import annotations

import cv2
import numpy as np

from mrcnn.data.files.mask_reader import MaskPage

# ITU-R BT.601, in thousandths: whole numbers keep equal colors equal.
LUMINANCE = (299, 587, 114)
# Values between background and object that a label image may have in any place.
FEW_VALUES = 2
# A mask of two values that was saved as JPEG has so many near either of them, and at
# most this share of what is not dark between them.
NOISE_VALUES, BETWEEN = 3, 0.25
# Of a soft mask's range, from where parts are seen; and the share of their usual area
# (px at least) from which one counts: specks fade where a mask is made smaller.
FAINT, LARGE_PART, MIN_PART = 0.25, 0.5, 8
# Of what is not transparent, so much must be dark or bright for its colors to count.
TWO_SIDED = 0.9


def object_mask(page: MaskPage) -> np.ndarray:
    """Returns which pixels are the object, of a page with one: bool [H, W].

    The object is what is not 0. Of two values or colors it is the brighter one, also
    in a palette; where values change little by little (JPEG, soft edges), what is
    above the middle of their range. Alpha counts where it has several values: what is
    transparent is no object, and colors choose among the rest only if they are dark
    and bright.
    """
    bright, low, high = _brightness(page)
    alpha = page.alpha
    if alpha is not None and alpha.min() < alpha.max():
        visible = alpha > (float(alpha.min()) + float(alpha.max())) / 2
        shown = bright[visible].astype(np.float64)
        low, high = float(shown.min()), float(shown.max())
        is_end = (shown < low + (high - low) / 4) | (shown > high - (high - low) / 4)
        if low > high / 4 or low == high or is_end.mean() < TWO_SIDED:
            return visible
        return visible & (bright > (low + high) / 2)
    if low == high:
        return bright != 0
    if ((bright == low) | (bright == high)).all():
        return bright == high if low >= 0 else bright != 0
    if page.is_lossy or has_soft_edges(bright):
        return bright > (float(low) + float(high)) / 2
    return bright != 0


def label_numbers(page: MaskPage) -> np.ndarray:
    """Returns the number of each pixel of a label image: int [H, W], 0 is background.

    In a palette the index counts; but two colors are dark (0) and bright (1), black
    that has most of the border is 0, and colors of Pascal VOC's palette, in a palette
    or not, are its numbers, whatever their order in the file.

    Raises:
        ValueError: values are colors, fractions, negative, or those of a soft mask.
    """
    labels = page.values
    if page.palette is not None:
        labels = _palette_numbers(page)
    elif labels.ndim == 3:
        is_grey = (labels == labels[..., :1]).all()
        numbers = labels[..., 0] if is_grey else _voc_numbers(labels)
        labels = labels if numbers is None else numbers
    alpha = page.alpha
    if alpha is not None and labels.min() == labels.max() and alpha.min() < alpha.max():
        labels = alpha
    is_whole = labels.dtype.kind in "bui" or (
        np.isfinite(labels).all() and (labels == np.rint(labels)).all()
    )
    if labels.ndim != 2 or not is_whole or labels.min() < 0:
        raise ValueError(
            "labels are whole numbers from 0, one a pixel, or colors of Pascal VOC's "
            f"palette; received {labels.dtype} {labels.shape}."
        )
    if labels.dtype.kind == "f":
        labels = labels.astype(np.int64)
    values, counts = _counts(labels)
    if _are_soft(labels, values, counts) or (page.is_lossy and len(values) > 2):
        raise ValueError(
            f"these are no labels: the {len(values)} values change little by little, "
            "as in a mask with soft edges, or where labels were resized by "
            "interpolation or saved as JPEG. Save each object with a number of its "
            "own, as png or tif, without smoothing; or pass separate=True: each "
            "connected part is an object then."
        )
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def class_numbers(page: MaskPage) -> np.ndarray:
    """Returns the number of each pixel of a mask or class map, int or bool [H, W].

    Its connected parts may be objects. A mask of two values, or with soft edges, is
    True in its object (`object_mask`); colors get numbers of their own, black is 0.

    Raises:
        ValueError: values are no numbers, or objects would be lost where a mask with
            soft edges is cut.
    """
    values = page.values
    if values.ndim == 3 and not page.is_lossy and (values != values[..., :1]).any():
        numbers = np.dot(values.astype(np.int64), [1 << 32, 1 << 16, 1])
        is_soft = has_soft_edges(_luminance(values))
    else:
        try:
            numbers, is_soft = label_numbers(page), False
        except ValueError:
            numbers, is_soft = values, True
    if not is_soft and len(_counts(numbers)[0]) > 2:
        return numbers
    mask = object_mask(page)
    if is_soft and page.alpha is None:
        _refuse_faint_parts(page, mask)
    return mask


def _refuse_faint_parts(page: MaskPage, mask: np.ndarray) -> None:
    """Raises ValueError where the cut of a soft mask loses parts that are less bright.

    Args:
        page: whose edges are soft.
        mask: bool [H, W], what is above the middle of its range.
    """
    bright, low, high = _brightness(page)
    is_seen = bright > float(low) + FAINT * (float(high) - float(low))
    num_parts, parts, stats, _ = cv2.connectedComponentsWithStats(
        is_seen.astype(np.uint8)
    )
    areas, is_kept = stats[:, cv2.CC_STAT_AREA], np.zeros(num_parts, bool)
    is_kept[np.unique(parts[mask])] = True
    is_kept[0] = False
    is_lost = ~is_kept & (
        areas >= max(MIN_PART, LARGE_PART * np.median(areas[is_kept]))
    )
    if is_lost[1:].any():
        raise ValueError(
            f"{is_lost[1:].sum()} of {num_parts - 1} connected parts are less than "
            "half as bright as the brightest, and soft edges leave no numbers to tell "
            "parts by. Save the labels anew as png or tif, without smoothing or "
            "resizing by interpolation, or as a mask of 0 and 255."
        )


def has_soft_edges(values: np.ndarray) -> bool:
    """Returns True for a mask [H, W] whose values change little by little.

    That is when most pixels between the lowest and the highest value lie on a slope;
    or when nearly all values are close to one of these two, and differ a little.
    """
    between = (values > values.min()) & (values < values.max())
    if _is_noisy(values, *_counts(values)):
        return True
    slope = np.count_nonzero(_slopes(values) & between)
    return 2 * slope > np.count_nonzero(between)


def _are_soft(labels: np.ndarray, values: np.ndarray, counts: np.ndarray) -> bool:
    """Returns True for labels [H, W], most of whose values are found on slopes."""
    if len(values) <= 2 + FEW_VALUES:
        return False
    if _is_noisy(labels, values, counts):
        return True
    steep, on_slope = _counts(labels[_slopes(labels)])
    found = np.zeros(len(values), np.int64)
    found[np.searchsorted(values, steep)] = on_slope
    return (2 * found > counts)[1:-1].mean() > 0.5


def _is_noisy(pixels: np.ndarray, values: np.ndarray, counts: np.ndarray) -> bool:
    """Returns True for pixels [H, W] that have two values with some noise.

    Numbers of objects may lie near two values as well, but fill areas.

    Args:
        pixels: of a mask or label image.
        values: that they have, ascending.
        counts: pixels of each value.
    """
    if len(values) < 2 * NOISE_VALUES:
        return False
    part = (values - values[0].astype(float)) / (float(values[-1]) - float(values[0]))
    dark, bright = part < 0.25, part > 0.75
    middle = counts[~dark & ~bright].sum()
    if (
        min(dark.sum(), bright.sum()) < NOISE_VALUES
        or middle > BETWEEN * counts[~dark].sum()
    ):
        return False
    lowest, highest = _around(pixels)
    return 2 * len(_counts(pixels[lowest == highest])[0]) < len(values)


def _slopes(values: np.ndarray) -> np.ndarray:
    """Returns the pixels that have a lower and a higher one beside them: bool [H, W].

    In a label image only those do that touch both the background (or a lower label)
    and an object with a higher one.
    """
    lowest, highest = _around(values)
    return (lowest < values) & (values < highest)


def _around(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lowest and the highest value in the 3 x 3 px around each, [H, W]."""
    if values.dtype not in (np.uint8, np.uint16):
        values = values.astype(np.float64)
    square = np.ones([3, 3], np.uint8)
    return cv2.erode(values, square), cv2.dilate(values, square)


def _counts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distinct values of labels, ascending, and the pixels of each."""
    if labels.dtype not in (np.uint8, np.uint16):
        return np.unique(labels, return_counts=True)
    counts = np.bincount(labels.ravel())  # a tenth of the time of np.unique
    values = np.flatnonzero(counts)
    return values, counts[values]


def _brightness(page: MaskPage) -> tuple[np.ndarray, float, float]:
    """Returns brightness [H, W], and those of background and object if there are two.

    Palettes of several colors that are not grey have no order: their index is taken.
    """
    values, palette = page.values, page.palette
    if palette is None:
        bright = _luminance(values) if values.ndim == 3 else values
        if not np.isfinite(bright).all():
            raise ValueError("has values that are no numbers (nan or infinity)")
        return bright, bright.min(), bright.max()
    used = np.unique(values)
    used = used[used < len(palette)]
    # Of one color alone, an empty mask or a full one, the palette says which it is.
    colors = np.unique(palette if len(used) == 1 else palette[used], axis=0)
    is_grey = (colors == colors[:, :1]).all()
    levels, table = _luminance(colors), _luminance(palette)
    if (len(colors) == 2 or is_grey) and levels.min() < levels.max():
        bright = table[np.minimum(values, len(palette) - 1)]
        return bright, levels.min(), levels.max()
    values = _black_first(values, palette)
    return values, values.min(), values.max()


def _luminance(colors: np.ndarray) -> np.ndarray:
    """Returns the brightness of colors uint8 [..., 3], times 1000: int32 [...]."""
    if (colors == colors[..., :1]).all():
        return colors[..., 0].astype(np.int32) * sum(LUMINANCE)
    return sum(colors[..., i].astype(np.int32) * LUMINANCE[i] for i in range(3))


def _palette_numbers(page: MaskPage) -> np.ndarray:
    """Returns the label of each pixel of a palette file, int [H, W]."""
    used = np.unique(page.values)
    palette = page.palette
    if used[-1] >= len(palette):
        return page.values
    voc = _voc_numbers(palette[used][None])
    is_grey = (palette[used] == palette[used][:, :1]).all()
    if voc is not None and not is_grey and len(np.unique(voc)) == len(used):
        return voc[0][np.searchsorted(used, page.values)]
    levels = np.unique(_luminance(np.unique(palette, axis=0)))
    if len(levels) == 2 and len(used) <= 2:
        return object_mask(page._replace(alpha=None))
    return _black_first(page.values, palette)


def _black_first(indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Returns indices [H, W] with black as 0, where it is the background by its place.

    Programs that make a palette of the colors of an image number them in any order.
    Black changes places with 0 if it has one index, and more of the border than that.
    """
    used = np.unique(indices)
    black = [i for i in used.tolist() if i < len(palette) and not palette[i].any()]
    if len(black) != 1 or black[0] == 0:
        return indices
    rim = np.concatenate([indices[0], indices[-1], indices[:, 0], indices[:, -1]])
    if np.count_nonzero(rim == black[0]) <= np.count_nonzero(rim == 0):
        return indices
    table = np.arange(max(256, used[-1] + 1))
    table[[0, black[0]]] = black[0], 0
    return table[indices]


def page_colors(page: MaskPage) -> np.ndarray:
    """Returns the color of each pixel, uint8 [H, W, 3]; numbers are VOC's colors."""
    if page.values.ndim == 3:
        return page.values
    palette = page.palette
    if palette is None or (palette == palette[:, :1]).all():
        palette = voc_colors()
    return palette[np.minimum(page.values, len(palette) - 1)]


def voc_colors() -> np.ndarray:
    """Returns the palette of Pascal VOC, uint8 [256, 3]: color k is number k.

    VOC2012 development kit, VOClabelcolormap.m: the bits of k go to red, green and
    blue in turn, into their high bits first.
    """
    number, colors = np.arange(256), np.zeros([256, 3], np.uint8)
    for bit in range(8):
        colors[:, bit % 3] |= ((number >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colors


def _voc_numbers(colors: np.ndarray) -> np.ndarray | None:
    """Returns the numbers of colors [H, W, 3] in VOC's palette; None for others."""
    if colors.dtype != np.uint8:
        return None
    packed, known = (
        np.dot(each.astype(np.int32), [65536, 256, 1])
        for each in (colors, voc_colors())
    )
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], packed), len(known) - 1)
    numbers = order[place]
    return numbers.astype(np.uint8) if (known[numbers] == packed).all() else None
