"""Runs the model on molded images and turns its output into results."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from mrcnn.engine.detection.molding import (
    MoldedImage,
    is_one_image,
    mold_image,
    network_image,
)
from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.geometry.arguments import as_numbers, check_iterable
from mrcnn.geometry.box_masks import paste_crop
from mrcnn.geometry.coordinates import norm_to_orig
from mrcnn.geometry.crops import Crop, stack_crops
from mrcnn.geometry.resize_plan import check_model_sides
from mrcnn.nn.detections import DetectionLayer, given_thresholds
from mrcnn.nn.proposals import ProposalLayer

MASK_FORMS = ("full", "crop", "rle", None)


def unmold_detections(
    detections: np.ndarray,
    masks: np.ndarray | None,
    original_shape,
    image_shape,
    window,
    form: str | None = "full",
) -> dict:
    """Returns the detections of one image in orig.

    Args:
        detections: float32 [D, (y1, x1, y2, x2, class_id, score)], norm; the first
            row of class 0 ends the list.
        masks: float32 [D, h, w], 0..1, box: of each detection's own class. May be
            None when `form` is None.
        original_shape: (H0, W0, ...) of the image as it was given.
        image_shape: (H, W, ...) of the molded image.
        window: (y1, x1, y2, x2), px, the part of the molded image with pixels.
        form: "full", "crop", "rle" or None; see `MaskRCNN.detect`.

    Returns:
        A dict: rois int32 [n, 4], class_ids int32 [n], scores float32 [n], and masks
        in the chosen form. Boxes that round to no area are dropped.
    """
    padding = np.flatnonzero(detections[:, 4] == 0)
    count = padding[0] if len(padding) else len(detections)
    boxes_norm = detections[:count, :4]
    class_ids = detections[:count, 4].astype(np.int32)
    scores = detections[:count, 5]

    boxes = norm_to_orig(boxes_norm, window, image_shape, original_shape)
    # Where an image is one pixel high, or wide, norm reaches beyond it.
    boxes = np.clip(boxes, 0, np.tile(original_shape[:2], 2)).astype(np.int32)
    heights, widths = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    keep = np.flatnonzero((heights > 0) & (widths > 0))
    boxes = boxes[keep]
    result = {"rois": boxes, "class_ids": class_ids[keep], "scores": scores[keep]}
    crops = []
    if form is not None:
        rows = zip(boxes.tolist(), keep, strict=True)
        crops = [Crop(tuple(box), paste_crop(masks[i], box)) for box, i in rows]
    result["masks"] = masks_in_form(crops, original_shape, form)
    return result


def check_form(form: str | None) -> None:
    """Raises for a form of masks that `MaskRCNN.detect` doesn't know.

    Raises:
        ValueError: names the forms.
    """
    if not isinstance(form, str | None) or form not in MASK_FORMS:
        raise ValueError(
            f"detect(masks={form!r}): no such form; pass one of {MASK_FORMS}."
        )


def masks_in_form(crops: list[Crop], shape, form: str | None):
    """Returns the masks of an image's objects as `MaskRCNN.detect` does.

    Args:
        crops: the objects; what lies outside of the image is left out.
        shape: (H0, W0, ...) of the image.
        form: "full", "crop", "rle" or None; see `MaskRCNN.detect`.
    """
    if form is None:
        return None
    if form == "full":
        return stack_crops(crops, shape)
    if form == "crop":
        return [crop.mask for crop in crops]
    return [masks_to_rles(stack_crops([crop], shape))[0] for crop in crops]


def own_masks(masks, class_ids) -> np.ndarray:
    """Returns the mask of each detection's own class: [n, h, w].

    Args:
        masks: [n or more, h, w, C]. Inside the model the mask head leaves the padding
            of detections out, so there may be fewer rows than class ids.
        class_ids: int [D], n of them before the first 0, which starts the padding.

    Raises:
        ValueError: there are fewer masks than detections, or fewer classes.
    """
    masks, class_ids = np.asarray(masks), np.asarray(class_ids)
    padding = np.flatnonzero(class_ids == 0)
    ids = class_ids[: padding[0]] if len(padding) else class_ids
    classes = int(ids.max(initial=0)) + 1
    is_known = ids.min(initial=0) >= 0 and masks.ndim == 4
    if not is_known or len(masks) < len(ids) or masks.shape[3] < classes:
        raise ValueError(
            f"unmold_detections(mrcnn_mask): received {masks.shape} with {len(ids)} "
            f"detections of classes up to {classes - 1}; pass [{len(ids)} or more, h, "
            f"w, {classes} or more] of the same image, as the output of "
            '"mrcnn_detection" and that of "mrcnn_mask", each [i] for image i.'
        )
    return masks[np.arange(len(ids)), ..., ids]


class Detector:
    """Runs an inference model on lists of images; safe to use from several threads.

    The graph is traced once for all image sizes and thresholds, and only what `detect`
    needs leaves it: of the [D, h, w, C] masks, the one of each detection's class.
    """

    def __init__(self, keras_model: keras.Model):
        self.keras_model = keras_model
        self._lock = threading.Lock()
        self._functions: dict[tuple, tf.types.experimental.ConcreteFunction] = {}
        self.last_shape: tuple[int, ...] | None = None  # (H, W, channels), molded

    def _concrete(self, with_masks: bool):
        # These are constants of the traced function; the thresholds are its inputs.
        layers = self.keras_model.layers
        rules = [x.class_rule for x in layers if isinstance(x, DetectionLayer)]
        limits = [x.nms_threshold for x in layers if isinstance(x, ProposalLayer)]
        key = (with_masks, *rules, *limits)
        with self._lock:
            if key not in self._functions:
                shapes = [(None, *t.shape[1:]) for t in self.keras_model.inputs]
                signature = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
                signature += [tf.TensorSpec([], tf.float32)] * 2
                body = self._with_masks if with_masks else self._boxes_only
                function = tf.function(body, input_signature=signature)
                self._functions[key] = function.get_concrete_function()
        return self._functions[key]

    def _outputs(self, images, metas, *thresholds) -> list:
        with given_thresholds(*thresholds):
            return self.keras_model([images, metas], training=False)

    def _with_masks(self, *inputs):
        detections, _, _, masks, *_ = self._outputs(*inputs)
        class_ids = tf.cast(detections[..., 4], tf.int32)
        own = tf.gather(masks, class_ids[..., None], axis=4, batch_dims=2)
        return detections, own[..., 0]

    def _boxes_only(self, *inputs):
        # What doesn't lead to an output of a function is pruned: no mask head runs.
        detections, *_ = self._outputs(*inputs)
        return (detections,)

    def _thresholds(self, min_confidence: float | None) -> tuple[float, float]:
        """Returns the least score and the IoU of NMS, those of the layer if not given.

        They are read at each call: an evaluation changes them.
        """
        for layer in self.keras_model.layers:
            if isinstance(layer, DetectionLayer):
                own = layer.min_confidence or 0.0
                least = own if min_confidence is None else min_confidence
                return least, layer.nms_threshold
        return min_confidence or 0.0, 1.0

    def run(
        self,
        images: np.ndarray,
        metas: np.ndarray,
        with_masks: bool = True,
        min_confidence: float | None = None,
    ):
        """Returns detections [B, D, 6], norm, and their masks [B, D, h, w], box.

        Args:
            images: float32 [B, H, W, channels], molded.
            metas: float32 [B, 12 + C].
            with_masks: False leaves the mask head out; the masks are None then.
            min_confidence: least score, probability; None for that of the layer.
        """
        self.last_shape = tuple(np.shape(images)[1:])
        detections, *masks = self._concrete(with_masks)(
            tf.convert_to_tensor(images, tf.float32),
            tf.convert_to_tensor(metas, tf.float32),
            *(tf.constant(x, tf.float32) for x in self._thresholds(min_confidence)),
        )
        return detections.numpy(), masks[0].numpy() if masks else None

    def detect_molded(self, images, metas) -> list[dict]:
        """Returns one result dict per molded image, in px of these."""
        images = as_numbers(images, "detect_molded(molded_images)")
        metas = as_numbers(metas, "detect_molded(image_metas)")
        inputs = {"molded_images": images, "image_metas": metas}
        for (name, array), tensor in zip(
            inputs.items(), self.keras_model.inputs, strict=True
        ):
            wanted = tensor.shape[1:]
            fits = array.ndim == len(wanted) + 1 and all(
                side in (None, own)
                for side, own in zip(wanted, array.shape[1:], strict=True)
            )
            if not fits or not array.size or images.shape[:1] != metas.shape[:1]:
                raise ValueError(
                    f"detect_molded({name}): shape {array.shape}, expected "
                    f"{('B', *wanted)} with one row an image; pass what mold_inputs() "
                    "returns."
                )
        check_model_sides(images.shape[1:], "detect_molded(molded_images)")
        detections, masks = self.run(images, metas)
        shape = np.shape(images)[1:]
        return [
            unmold_detections(d, m, shape, shape, (0, 0, *shape[:2]))
            for d, m in zip(detections, masks, strict=True)
        ]

    def detect(
        self, images, config, form: str | None, min_confidence: float | None = None
    ) -> list[dict]:
        """Returns one result dict per image; see `MaskRCNN.detect`."""
        check_form(form)
        if is_one_image(images):
            raise ValueError(
                "detect(images): one image; pass a list of images, detect([image])."
            )
        check_iterable(images, "detect(images)")
        results = []
        for originals, molded in _batches(images, config):
            batch = np.stack([m.image for m in molded])
            metas = np.stack([m.meta for m in molded])
            detections, masks = self.run(
                batch, metas, with_masks=form is not None, min_confidence=min_confidence
            )
            results += [
                unmold_detections(
                    detections[i],
                    None if masks is None else masks[i],
                    original.shape,
                    batch.shape[1:],
                    molded[i].window,
                    form,
                )
                for i, original in enumerate(originals)
            ]
        return results


def _batches(images, config) -> Iterator[tuple[list, list[MoldedImage]]]:
    """Yields (images, molded images) of at most BATCH_SIZE, all of one molded shape."""
    originals: list[np.ndarray] = []
    molded: list[MoldedImage] = []
    for i, image in enumerate(images):
        image = network_image(image, config, i)
        new = mold_image(image, config)
        is_full = len(molded) >= max(int(config.BATCH_SIZE), 1)
        if molded and (is_full or molded[0].image.shape != new.image.shape):
            yield originals, molded
            originals, molded = [], []
        originals.append(image)
        molded.append(new)
    if molded:
        yield originals, molded
