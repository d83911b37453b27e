"""Masks in the box frame: mini masks, and pasting what the mask head says.

In the box frame a mask is a small picture [h, w] that covers exactly its box;
`interpolation.resize_bilinear` goes from there to pixels and back. The tensor twins
interpolate in float64, step by step as NumPy does: both fall on the same side of a
threshold.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.interpolation import resize_bilinear, resize_bilinear_tensor


def as_masks(masks, where: str) -> np.ndarray:
    """Returns a mask stack as an array; raises ValueError unless it is [H, W, N]."""
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(
            f"{where}: expected a stack of masks [H, W, N]; received shape "
            f"{masks.shape}. A single mask goes in as mask[:, :, None]."
        )
    return masks


def _as_int_boxes(bbox, where: str, count: int | None = None) -> np.ndarray:
    """Returns px boxes as int [N, 4], rounding floats; one box if `count` is None."""
    bbox = np.asarray(bbox)
    if count == 0 and bbox.size == 0:
        return np.zeros((0, 4), np.int64)
    wanted = () if count is None else (count,)
    if bbox.ndim == 0 or bbox.shape[-1] < 4 or bbox.shape[:-1] != wanted:
        raise ValueError(
            f"{where}: boxes (y1, x1, y2, x2) of shape {(*wanted, 4)} are needed, one "
            f"for each mask; received shape {bbox.shape}."
        )
    return np.rint(bbox[..., :4]).astype(np.int64)


def _as_int_boxes_tensor(bbox):
    """Tensor twin of `_as_int_boxes`: [..., 4 or more] -> int32 [..., 4]."""
    import tensorflow as tf

    return tf.cast(tf.round(tf.cast(bbox, tf.float64)), tf.int32)[..., :4]


def _map_masks(function, boxes, masks, shape):
    """Returns bool [*shape, N]: `function(box, mask)` of every mask of a stack.

    Args:
        function: from int32 [4] and bool [h, w] to bool `shape`.
        boxes: int32 [N, (y1, x1, y2, x2)].
        masks: [h, w, N], any dtype.
        shape: (height, width) of the results, None where it is not known.
    """
    import tensorflow as tf

    masks = tf.transpose(tf.cast(masks, tf.bool), [2, 0, 1])
    # One empty box more, dropped afterwards: map_fn cannot stack nothing at all to
    # masks of unknown size.
    results = tf.map_fn(
        lambda pair: function(*pair),
        (tf.pad(boxes, [(0, 1), (0, 0)]), tf.pad(masks, [(0, 1), (0, 0), (0, 0)])),
        fn_output_signature=tf.TensorSpec(shape, tf.bool),
    )
    return tf.transpose(results[:-1], [1, 2, 0])


def minimize_mask(bbox, mask, mini_shape) -> np.ndarray:
    """Returns mini masks: what lies in each mask's box, resized to one small shape.

    Saves memory in training; see `expand_mask` for the (lossy) way back.

    Args:
        bbox: int [N, (y1, x1, y2, x2)], same frame as the masks, within the image.
        mask: bool or number [H, W, N].
        mini_shape: (height, width) of the mini masks.

    Returns:
        bool [height, width, N], box frame: where interpolation exceeds one half.

    Raises:
        ValueError: if a box is empty or reaches over the image, or shapes disagree.

    >>> mask = np.zeros((8, 8, 1), bool)
    >>> mask[2:6, 2:6] = True
    >>> minimize_mask([[2, 2, 6, 6]], mask, (2, 2))[:, :, 0].tolist()
    [[True, True], [True, True]]
    """
    mask = as_masks(mask, "minimize_mask(mask)")
    height, width, count = mask.shape
    boxes = _as_int_boxes(bbox, "minimize_mask(bbox)", count)
    shape = (int(mini_shape[0]), int(mini_shape[1]))
    mini_mask = np.zeros((*shape, count), dtype=bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes.tolist()):
        if not (0 <= y1 < y2 <= height and 0 <= x1 < x2 <= width):
            raise ValueError(
                f"minimize_mask(bbox[{i}]={[y1, x1, y2, x2]}): the box is empty or "
                f"not within the image ({height}, {width}); drop masks without pixels "
                f"and take boxes from extract_bboxes."
            )
        mini_mask[:, :, i] = minimize_crop(mask[y1:y2, x1:x2, i] != 0, shape)
    return mini_mask


def minimize_crop(crop: np.ndarray, mini_shape: tuple[int, int]) -> np.ndarray:
    """Returns the mini mask of one mask that is given inside its box alone.

    Args:
        crop: bool [h, w], box frame, not empty.
        mini_shape: (height, width) of the mini mask.

    Returns:
        bool `mini_shape`, box frame: where interpolation exceeds one half.
    """
    return resize_bilinear(crop, mini_shape) > 0.5


def minimize_mask_tensor(bbox, mask, mini_shape):
    """Tensor twin of `minimize_mask`.

    Args:
        bbox: [N, (y1, x1, y2, x2)], same frame as the masks, within the image.
        mask: bool or number [H, W, N].
        mini_shape: (height, width) of the mini masks, Python ints.

    Returns:
        bool [height, width, N], box frame.

    Raises:
        tf.errors.InvalidArgumentError: if a box is empty or reaches over the image.
    """
    import tensorflow as tf

    boxes = _as_int_boxes_tensor(bbox)
    low, high = boxes[:, :2], boxes[:, 2:]
    is_inside = (low >= 0) & (low < high) & (high <= tf.shape(mask)[:2])
    message = (
        "minimize_mask_tensor(bbox): a box is empty or not within the image; drop "
        "masks without pixels and take boxes from extract_bboxes_tensor. Boxes, image:"
    )
    tf.debugging.Assert(tf.reduce_all(is_inside), [message, boxes, tf.shape(mask)[:2]])

    def minimize(box, mask):
        crop = mask[box[0] : box[2], box[1] : box[3]]
        return resize_bilinear_tensor(crop, mini_shape) > 0.5

    return _map_masks(minimize, boxes, mask, mini_shape)


def expand_mask(bbox, mini_mask, image_shape) -> np.ndarray:
    """Returns full masks from mini masks, for looking at them.

    Law: a mask that fills its box survives `minimize_mask` and `expand_mask`; any other
    keeps its box's place and, roughly, its area.

    Args:
        bbox: int [N, (y1, x1, y2, x2)], px; parts outside the image are left out.
        mini_mask: bool [h, w, N], box frame.
        image_shape: (height, width, ...) of the image.

    Returns:
        bool [height, width, N], px.

    >>> mini_mask = np.ones((2, 2, 1), bool)
    >>> expand_mask([[1, 1, 2, 3]], mini_mask, (3, 4))[:, :, 0].astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    mini_mask = as_masks(mini_mask, "expand_mask(mini_mask)")
    count = mini_mask.shape[2]
    boxes = _as_int_boxes(bbox, "expand_mask(bbox)", count)
    mask = np.zeros((*image_shape[:2], count), dtype=bool)
    for i, box in enumerate(boxes):
        shape = _box_shape(box)
        if min(shape) > 0:
            crop = resize_bilinear(mini_mask[:, :, i] != 0, shape) > 0.5
            _paste(mask[:, :, i], crop, box)
    return mask


def expand_mask_tensor(bbox, mini_mask, image_shape):
    """Tensor twin of `expand_mask`.

    Args:
        bbox: [N, (y1, x1, y2, x2)], px; parts outside the image are left out.
        mini_mask: bool or number [h, w, N], box frame.
        image_shape: (height, width, ...) of the image, numbers or a tensor.

    Returns:
        bool [height, width, N], px.
    """

    def expand(box, mini_mask):
        crop = resize_bilinear_tensor(mini_mask, _box_shape_tensor(box)) > 0.5
        return _paste_tensor(crop, box, image_shape)

    return _map_masks(expand, _as_int_boxes_tensor(bbox), mini_mask, [None, None])


def _box_shape(box: np.ndarray) -> tuple[int, int]:
    """Returns (height, width) of a px box; 0 for a box turned inside out."""
    return max(0, int(box[2] - box[0])), max(0, int(box[3] - box[1]))


def _box_shape_tensor(box):
    """Tensor twin of `_box_shape`: int32 [4] -> int32 [2]."""
    import tensorflow as tf

    return tf.maximum(box[2:] - box[:2], 0)


def _paste(full: np.ndarray, crop: np.ndarray, box: np.ndarray) -> None:
    """Writes `crop`, which covers `box`, into `full` [H, W] as far as they overlap."""
    y1, x1 = np.maximum(box[:2], 0)
    y2, x2 = np.minimum(box[2:], full.shape)
    if y1 < y2 and x1 < x2:
        y0, x0 = box[:2]
        full[y1:y2, x1:x2] = crop[y1 - y0 : y2 - y0, x1 - x0 : x2 - x0]


def _paste_tensor(crop, box, image_shape):
    """Returns bool [height, width]: twin of `_paste` into an empty mask."""
    import tensorflow as tf

    shape = tf.cast(image_shape, tf.int32)[:2]
    low = tf.clip_by_value(box[:2], 0, shape)
    high = tf.maximum(tf.clip_by_value(box[2:], 0, shape), low)
    (y1, x1), (y2, x2) = tf.unstack(low - box[:2]), tf.unstack(high - box[:2])
    return tf.pad(crop[y1:y2, x1:x2], tf.stack([low, shape - high], axis=1))


def paste_crop(mask, bbox, threshold: float = 0.5) -> np.ndarray:
    """Returns a mask of the mask head in the size of its box.

    Args:
        mask: float [h, w], probability, box frame.
        bbox: [(y1, x1, y2, x2)], orig or px; may reach over the image.
        threshold: a pixel belongs to the object at this probability or above.

    Returns:
        bool [y2 - y1, x2 - x1]; without pixels for an empty box.

    Raises:
        ValueError: if `mask` is not [h, w].

    >>> paste_crop(np.array([[0.9, 0.1]]), [0, 0, 1, 4]).astype(int).tolist()
    [[1, 1, 0, 0]]
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(
            f"paste_crop(mask): expected one mask [h, w]; received shape {mask.shape}."
        )
    shape = _box_shape(_as_int_boxes(bbox, "paste_crop(bbox)"))
    if min(shape) == 0:
        return np.zeros(shape, dtype=bool)
    return resize_bilinear(mask, shape) >= threshold


def paste_crop_tensor(mask, bbox, threshold: float = 0.5):
    """Tensor twin of `paste_crop`: [h, w], [4] -> bool [y2 - y1, x2 - x1]."""
    shape = _box_shape_tensor(_as_int_boxes_tensor(bbox))
    return resize_bilinear_tensor(mask, shape) >= threshold


def unmold_mask(mask, bbox, image_shape, threshold: float = 0.5) -> np.ndarray:
    """Returns a mask of the mask head in the size of the image.

    Args:
        mask: float [h, w], probability, box frame.
        bbox: [(y1, x1, y2, x2)], orig; parts outside the image are left out.
        image_shape: (height, width, ...) of the image.
        threshold: a pixel belongs to the object at this probability or above.

    Returns:
        bool [height, width], orig.

    >>> unmold_mask(np.ones((2, 2)), [1, -2, 3, 1], (3, 3)).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    """
    crop = paste_crop(mask, bbox, threshold)
    full = np.zeros(tuple(image_shape[:2]), dtype=bool)
    _paste(full, crop, _as_int_boxes(bbox, "unmold_mask(bbox)"))
    return full


def unmold_mask_tensor(mask, bbox, image_shape, threshold: float = 0.5):
    """Tensor twin of `unmold_mask`: [h, w], [4], (height, width, ...) -> bool."""
    crop = paste_crop_tensor(mask, bbox, threshold)
    return _paste_tensor(crop, _as_int_boxes_tensor(bbox), image_shape)
