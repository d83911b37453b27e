"""Reads image files of masks: which pixels are the object, or which number each has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

# Tags of TIFF 6.0, and their values that need care.
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
PLANAR_CONFIGURATION, SEPARATE_PLANES = 284, 2
# ITU-R BT.601, in thousandths: whole numbers keep equal colors equal.
LUMINANCE = (299, 587, 114)
# Modes of one channel, whose values are taken as stored.
VALUE_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
# Values between background and object that a label image may have in any place.
FEW_VALUES = 2
# Of what is not transparent, so much must be dark or bright for its colors to count.
TWO_SIDED = 0.9


class MaskPage(NamedTuple):
    """The pixels of a mask file, or of one of its pages.

    Attributes:
        values: numbers as stored, or indices into the palette, [H, W]; or colors
            uint8 [H, W, 3].
        alpha: opacity [H, W]; None without.
        palette: uint8 [N, 3], RGB; None without.
        is_lossy: True for a file that changes values a little, as JPEG.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    palette: np.ndarray | None = None
    is_lossy: bool = False


def read_pages(path: str | Path, file: BinaryIO | None = None) -> list[MaskPage]:
    """Returns the pages of a mask file: one, or those of a stack (TIFF, GIF).

    Pages of another size than the first are thumbnails, and left out. Values are those
    that the file stores: a TIFF in which 0 is shown white is not turned over.

    Args:
        path: names the file in errors.
        file: an open file to read from; None opens `path`.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is no image, or damaged.
    """
    if file is None and not Path(path).is_file():
        raise FileNotFoundError(f"read_mask_file({str(path)!r}): no such file.")
    try:
        try:
            with Image.open(path if file is None else file) as image:
                if _is_deep_color(image):
                    return [_read_by_opencv(image.fp)]
                return _read_frames(image)
        except UnidentifiedImageError:
            if file is not None or Path(path).suffix.lower() not in (".tif", ".tiff"):
                raise
            return _read_by_tifffile(path)
    except Exception as error:  # plug-ins raise types of their own for damage
        raise OSError(
            f"read_mask_file({str(path)!r}): the file is damaged or no image "
            f"({error}); replace or remove it."
        ) from error


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

    In a palette the index counts; but two colors are dark (0) and bright (1), and
    colors of Pascal VOC's palette, in a palette or not, are its numbers, whatever their
    order in the file.

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
    num_values = len(_counts(labels)[0])
    if _are_soft(labels) or (page.is_lossy and num_values > 2):
        raise ValueError(
            f"these are no labels: the {num_values} values change little by little, "
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
        ValueError: values are no numbers.
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
    if is_soft or len(_counts(numbers)[0]) <= 2:
        return object_mask(page)
    return numbers


def has_soft_edges(values: np.ndarray) -> bool:
    """Returns True for a mask [H, W] whose values change little by little.

    That is when most pixels between the lowest and the highest value lie on a slope.
    """
    between = (values > values.min()) & (values < values.max())
    slope = np.count_nonzero(_slopes(values) & between)
    return 2 * slope > np.count_nonzero(between)


def _are_soft(labels: np.ndarray) -> bool:
    """Returns True for labels [H, W], most of whose values are found on slopes."""
    values, counts = _counts(labels)
    if len(values) <= 2 + FEW_VALUES:
        return False
    steep, on_slope = _counts(labels[_slopes(labels)])
    found = np.zeros(len(values), np.int64)
    found[np.searchsorted(values, steep)] = on_slope
    return (2 * found > counts)[1:-1].mean() > 0.5


def _slopes(values: np.ndarray) -> np.ndarray:
    """Returns the pixels that have a lower and a higher one beside them: bool [H, W].

    In a label image only those do that touch both the background (or a lower label)
    and an object with a higher one.
    """
    if values.dtype not in (np.uint8, np.uint16):
        values = values.astype(np.float64)
    around = np.ones([3, 3], np.uint8)
    return (cv2.erode(values, around) < values) & (values < cv2.dilate(values, around))


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
    return page.values


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
        np.dot(each.astype(np.int32), [65536, 256, 1]) for each in (colors, voc_colors())
    )
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], packed), len(known) - 1)
    numbers = order[place]
    return numbers.astype(np.uint8) if (known[numbers] == packed).all() else None


def _read_frames(image: Image.Image) -> list[MaskPage]:
    """Decodes the frames of an open image that have the size of the first."""
    size, pages = image.size, []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        if image.size == size:
            pages += _split_planes(_decode(image), image)
    return pages


def _decode(image: Image.Image) -> MaskPage:
    """Decodes the current frame of an open image."""
    mode = image.mode
    is_lossy = image.format in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"
    if mode in ("P", "PA"):
        indices = np.asarray(image)
        alpha = indices[..., 1] if mode == "PA" else _palette_alpha(image)
        indices = indices[..., 0] if mode == "PA" else indices
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return MaskPage(indices, alpha, palette, is_lossy)
    if mode not in (*VALUE_MODES, "LA", "La", "RGB", "RGBA", "RGBa"):
        image = image.convert("RGB")
    values = np.asarray(image)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim == 3 and values.shape[2] in (2, 4):
        color = values[..., 0] if values.shape[2] == 2 else values[..., :3]
        return MaskPage(color, values[..., -1], is_lossy=is_lossy)
    is_tiff = image.format == "TIFF" and mode in ("1", "L")
    if is_tiff and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        values = ~values  # as stored; Pillow has turned it over
    return MaskPage(values, is_lossy=is_lossy)


def _palette_alpha(image: Image.Image) -> np.ndarray | None:
    """Returns the opacity of a palette image [H, W]; None where it has none."""
    transparent = image.info.get("transparency")
    if transparent is None:
        return None
    table = np.full(256, 255, np.uint8)
    if isinstance(transparent, bytes):
        table[: len(transparent)] = list(transparent)
    else:
        table[transparent] = 0
    return table[np.asarray(image)]


def _is_deep_color(image: Image.Image) -> bool:
    """Returns True for color of 16 bits, of which Pillow would keep the high 8."""
    return image.mode in ("LA", "RGB", "RGBA") and any(
        ";16" in str(tile[3]) for tile in image.tile
    )


def _read_by_opencv(file: BinaryIO) -> MaskPage:
    """Decodes an open file of color of 16 bits."""
    file.seek(0)
    data = np.frombuffer(file.read(), np.uint8)
    array = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if array is None or array.ndim != 3:
        raise ValueError("its colors of 16 bits cannot be decoded")
    return MaskPage(array[..., 2::-1], array[..., 3] if array.shape[2] == 4 else None)


def _split_planes(page: MaskPage, image: Image.Image) -> list[MaskPage]:
    """Returns the planes of a TIFF that stores a stack of three as red, green, blue.

    So do tifffile and scikit-image when they are given an array [3, H, W].
    """
    values = page.values
    is_tiff = image.format == "TIFF" and values.ndim == 3
    if not is_tiff or image.tag_v2.get(PLANAR_CONFIGURATION) != SEPARATE_PLANES:
        return [page]
    planes: Sequence = np.moveaxis(values, -1, 0)
    if page.alpha is not None:
        planes = [*planes, page.alpha]
    if all((plane == planes[0]).all() for plane in planes):
        return [page]
    return [MaskPage(np.ascontiguousarray(plane)) for plane in planes]


def _read_by_tifffile(path) -> list[MaskPage]:
    """Reads TIFF files that Pillow does not know, as those of 64 bits."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        size = tiff.pages[0].shape[:2]
        arrays = [page.asarray() for page in tiff.pages if page.shape[:2] == size]
    if any(array.ndim != 2 for array in arrays):
        shape = arrays[0].shape
        raise ValueError(f"it has the shape {shape}; a mask has one channel, or color")
    return [MaskPage(array) for array in arrays]
