"""The Keras graph: one trunk, two tails.

`trunk` (backbone, FPN, RPN, proposals) is the same in both modes. `training_tail`
samples RoIs, runs the heads on them and ends in five scalar losses;
`inference_tail` runs the heads on the proposals and ends in detections and masks.
Only this module reads a Config and gives its values to the layers.
"""

from __future__ import annotations

import contextlib
import random
from typing import NamedTuple

import keras
import numpy as np

from mrcnn.config_checks import LOSS_NAMES
from mrcnn.engine.network import Network
from mrcnn.engine.training.training_model import TrainingModel
from mrcnn.geometry.anchors import anchors_per_location
from mrcnn.nn.backbones import build_backbone
from mrcnn.nn.detections import DetectionLayer
from mrcnn.nn.fpn import fpn
from mrcnn.nn.heads import box_head, mask_head
from mrcnn.nn.inputs import ActiveClassIds, NormalizeBoxes
from mrcnn.nn.losses import (
    MrcnnBboxLoss,
    MrcnnClassLoss,
    MrcnnMaskLoss,
    RpnBboxLoss,
    RpnClassLoss,
)
from mrcnn.nn.proposals import ProposalLayer
from mrcnn.nn.roi_align import PyramidROIAlign
from mrcnn.nn.roi_selection import PadRois, PositiveRois, TrimRois
from mrcnn.nn.rpn import Anchors, apply_rpn, build_rpn_model
from mrcnn.nn.target_layer import DetectionTargetLayer

# The order scripts index `keras_model.predict(...)` with.
INFERENCE_OUTPUTS = (
    "detections",
    "mrcnn_class",
    "mrcnn_bbox",
    "mrcnn_mask",
    "rpn_rois",
    "rpn_class",
    "rpn_bbox",
)


class Trunk(NamedTuple):
    """The tensors both tails start from.

    Attributes:
        image: float32 [B, H, W, channels], px, mean subtracted.
        image_meta: float32 [B, 12 + C], see `geometry.image_meta`.
        feature_maps: P2..P6, compute dtype [B, H/2^k, W/2^k, channels].
        rpn_class_logits: float32 [B, A, 2].
        rpn_class: float32 [B, A, 2], probabilities of (background, object).
        rpn_bbox: float32 [B, A, 4], deltas / RPN_BBOX_STD_DEV.
        anchors: float32 [B, A, 4], norm.
        rois: float32 [B, R, 4], norm, zero rows are padding.
    """

    image: keras.KerasTensor
    image_meta: keras.KerasTensor
    feature_maps: list[keras.KerasTensor]
    rpn_class_logits: keras.KerasTensor
    rpn_class: keras.KerasTensor
    rpn_bbox: keras.KerasTensor
    anchors: keras.KerasTensor
    rois: keras.KerasTensor


def build_model(
    mode: str,
    config,
    network_class: type[Network] = Network,
    training_model_class: type[TrainingModel] = TrainingModel,
) -> Network:
    """Returns the Keras model "mask_rcnn" of one mode.

    Args:
        mode: "training" (outputs the five losses by name) or "inference" (outputs
            the seven tensors of INFERENCE_OUTPUTS, in that order).
        config: a Config; its values are checked here.
        network_class: class of the model for inference.
        training_model_class: class of the model for training.

    Raises:
        ValueError: mode is another word, or the config has impossible values.
    """
    if mode not in ("training", "inference"):
        raise ValueError(
            f'build_model(mode={mode!r}): no such mode; pass "training" or "inference".'
        )
    config.validate()
    with _seeded_initialization(config.SEED):
        if mode == "training":
            base = trunk(config, config.POST_NMS_ROIS_TRAINING)
            inputs, losses = training_tail(base, config)
            model = training_model_class(inputs, losses, name="mask_rcnn")
            apply_loss_terms(model, config)
            return model
        base = trunk(config, config.POST_NMS_ROIS_INFERENCE)
        outputs = inference_tail(base, config)
        return network_class(
            [base.image, base.image_meta],
            [outputs[name] for name in INFERENCE_OUTPUTS],
            name="mask_rcnn",
        )


def apply_loss_terms(model: TrainingModel, config, own_optimizer: bool = False) -> None:
    """Gives a model the loss weights and the weight decay that a Config has now.

    Args:
        model: a training model, to be compiled after this.
        config: a Config.
        own_optimizer: whether an optimizer of the user's is in the place of
            config.OPTIMIZER. AdamW decays the weights itself.
    """
    decays_itself = config.OPTIMIZER == "adamw" and not own_optimizer
    model.set_loss_terms(
        config.LOSS_WEIGHTS,
        0.0 if decays_itself else config.WEIGHT_DECAY,
        config.WEIGHT_DECAY_BY_SIZE,
    )


def trunk(config, proposal_count: int) -> Trunk:
    """Returns backbone, FPN, RPN and proposals, joined (FPN 1612.03144 sec. 4.1)."""
    image = keras.Input([None, None, config.IMAGE_CHANNEL_COUNT], name="input_image")
    image_meta = keras.Input([config.IMAGE_META_SIZE], name="input_image_meta")
    stages = build_backbone(
        config.BACKBONE,
        image,
        **_norm_values(config),
        width=config.BACKBONE_WIDTH,
        stem_pool=config.STEM_POOL,
    )
    feature_maps = fpn(stages[1:], channels=config.TOP_DOWN_PYRAMID_SIZE)

    scales, ratios = config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS
    rpn_model = build_rpn_model(
        config.RPN_ANCHOR_STRIDE,
        anchors_per_location(scales, ratios),
        config.TOP_DOWN_PYRAMID_SIZE,
        channels=config.RPN_CHANNELS,
    )
    rpn_class_logits, rpn_class, rpn_bbox = apply_rpn(rpn_model, feature_maps)
    anchors = Anchors(
        scales=scales,
        ratios=ratios,
        strides=config.BACKBONE_STRIDES,
        anchor_stride=config.RPN_ANCHOR_STRIDE,
        name="anchors",
    )([image, *feature_maps])
    rois = ProposalLayer(
        proposal_count=proposal_count,
        nms_threshold=config.RPN_NMS_THRESHOLD,
        **proposal_values(config),
        name="ROI",
    )([rpn_class, rpn_bbox, anchors])
    return Trunk(
        image, image_meta, feature_maps, rpn_class_logits, rpn_class, rpn_bbox,
        anchors, rois,
    )  # fmt: skip


def training_tail(base: Trunk, config) -> tuple[list, dict]:
    """Returns (model inputs, losses by name): RoI sampling, heads, five losses.

    The mask head sees the positive RoIs only; the others carry no mask loss
    (Mask R-CNN 1703.06870 sec. 3).
    """
    rpn_match = keras.Input([None, 1], dtype="int32", name="input_rpn_match")
    rpn_bbox = keras.Input([None, 4], name="input_rpn_bbox")
    gt_class_ids = keras.Input([None], dtype="int32", name="input_gt_class_ids")
    gt_boxes_px = keras.Input([None, 4], name="input_gt_boxes")
    gt_masks = keras.Input([None, None, None], dtype="bool", name="input_gt_masks")
    inputs = [base.image, base.image_meta, rpn_match, rpn_bbox]
    inputs += [gt_class_ids, gt_boxes_px, gt_masks]

    gt_boxes = NormalizeBoxes(name="gt_boxes")([gt_boxes_px, base.image])
    proposals = base.rois
    if not config.USE_RPN_ROIS:
        rois_px = keras.Input([None, 4], name="input_rois")
        inputs.append(rois_px)
        proposals = NormalizeBoxes(name="given_rois")([rois_px, base.image])

    rois, target_class_ids, target_bbox, target_masks = DetectionTargetLayer(
        **target_values(config),
        seed=config.SEED,
        name="proposal_targets",
    )([proposals, gt_class_ids, gt_boxes, gt_masks])

    logits, _, deltas = _box_head(base, rois, config)
    mask_rois, batch_ix, mask_class_ids, mask_targets = PositiveRois(
        name="positive_rois"
    )([rois, target_class_ids, target_masks])
    masks = _mask_head(base, mask_rois, config, batch_ix=batch_ix)

    active_class_ids = ActiveClassIds(name="active_class_ids")(base.image_meta)
    losses = (
        RpnClassLoss(name=LOSS_NAMES[0])([rpn_match, base.rpn_class_logits]),
        RpnBboxLoss(name=LOSS_NAMES[1])([rpn_bbox, rpn_match, base.rpn_bbox]),
        MrcnnClassLoss(name=LOSS_NAMES[2])(
            [target_class_ids, logits, active_class_ids]
        ),
        MrcnnBboxLoss(name=LOSS_NAMES[3])([target_bbox, target_class_ids, deltas]),
        MrcnnMaskLoss(name=LOSS_NAMES[4])([mask_targets, mask_class_ids, masks]),
    )
    return inputs, dict(zip(LOSS_NAMES, losses, strict=True))


def inference_tail(base: Trunk, config) -> dict[str, keras.KerasTensor]:
    """Returns the tensors of INFERENCE_OUTPUTS by name.

    The mask head runs on the detections only, after the box head has refined them
    (Mask R-CNN 1703.06870 sec. 3.1, inference); rows of padding are left out of it
    and filled with zeros afterwards.
    """
    _, probs, deltas = _box_head(base, base.rois, config)
    detections = DetectionLayer(
        **detection_values(config),
        name="mrcnn_detection",
    )([base.rois, probs, deltas, base.image_meta])
    boxes = TrimRois(name="detected_boxes")(detections)
    masks = _mask_head(base, boxes, config)
    masks = PadRois(config.DETECTION_MAX_INSTANCES, name="padded_masks")(masks)
    values = (
        detections, probs, deltas, masks, base.rois, base.rpn_class, base.rpn_bbox,
    )  # fmt: skip
    return dict(zip(INFERENCE_OUTPUTS, values, strict=True))


def _roi_features(base: Trunk, rois, config, name: str, pool_size: int, **batch):
    pool = PyramidROIAlign(
        pool_shape=(pool_size, pool_size),
        roi_op=config.ROI_OP,
        sampling_ratio=config.ROI_SAMPLING_RATIO,
        reduce=config.ROI_REDUCE,
        level_rounding=config.ROI_LEVEL_ROUNDING,
        strides=tuple(config.BACKBONE_STRIDES[:4]),
        name=name,
    )
    return pool([rois, base.image_meta, *base.feature_maps[:4]], **batch)


def _box_head(base: Trunk, rois, config):
    return box_head(
        _roi_features(base, rois, config, "roi_align_classifier", config.POOL_SIZE),
        num_classes=config.NUM_CLASSES,
        fc_size=config.FPN_CLASSIF_FC_LAYERS_SIZE,
        **_norm_values(config),
    )


def _mask_head(base: Trunk, rois, config, **batch):
    size = config.MASK_POOL_SIZE
    return mask_head(
        _roi_features(base, rois, config, "roi_align_mask", size, **batch),
        num_classes=config.NUM_CLASSES,
        channels=config.MASK_HEAD_CHANNELS,
        **_norm_values(config),
    )


def proposal_values(config) -> dict:
    """Returns the arguments of ProposalLayer that a Config names."""
    return {
        "pre_nms_limit": config.PRE_NMS_LIMIT,
        "bbox_std_dev": _floats(config.RPN_BBOX_STD_DEV),
    }


def target_values(config) -> dict:
    """Returns the arguments of DetectionTargetLayer that a Config names."""
    return {
        "num_rois": config.TRAIN_ROIS_PER_IMAGE,
        "positive_ratio": config.ROI_POSITIVE_RATIO,
        "positive_iou": config.ROI_POSITIVE_IOU,
        "mask_shape": tuple(config.MASK_SHAPE),
        "use_mini_mask": config.USE_MINI_MASK,
        "bbox_std_dev": _floats(config.BBOX_STD_DEV),
    }


def detection_values(config) -> dict:
    """Returns the arguments of DetectionLayer that a Config names."""
    return {
        "min_confidence": config.DETECTION_MIN_CONFIDENCE,
        "nms_threshold": config.DETECTION_NMS_THRESHOLD,
        "max_instances": config.DETECTION_MAX_INSTANCES,
        "bbox_std_dev": _floats(config.BBOX_STD_DEV),
        "class_rule": config.DETECTION_CLASS_RULE,
    }


def _norm_values(config) -> dict:
    return {
        "norm": config.NORM,
        "norm_groups": config.NORM_GROUPS,
        "train_bn": config.TRAIN_BN,
    }


def _floats(values) -> tuple[float, ...]:
    return tuple(float(v) for v in np.asarray(values).ravel())


@contextlib.contextmanager
def _seeded_initialization(seed: int):
    """Seeds Keras for the initial weights; Python's and NumPy's states are restored."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        keras.utils.set_random_seed(seed)
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
