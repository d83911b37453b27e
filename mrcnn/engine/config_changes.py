"""What a model does when its Config is changed after it was built."""

from __future__ import annotations

import warnings

import keras

from mrcnn.config_values import to_json
from mrcnn.nn.detections import DetectionLayer
from mrcnn.nn.proposals import ProposalLayer

# Attribute of the Config -> the layer and the argument of it that follow.
FOLLOWED = {
    "DETECTION_MIN_CONFIDENCE": (DetectionLayer, "min_confidence"),
    "DETECTION_NMS_THRESHOLD": (DetectionLayer, "nms_threshold"),
    "DETECTION_CLASS_RULE": (DetectionLayer, "class_rule"),
    "RPN_NMS_THRESHOLD": (ProposalLayer, "nms_threshold"),
}
# What the graph is built with in both modes, and in one of them.
BUILT_IN = (
    *("BACKBONE", "BACKBONE_STRIDES", "BACKBONE_WIDTH", "NORM", "NORM_GROUPS"),
    *("STEM_POOL", "TOP_DOWN_PYRAMID_SIZE", "TRAIN_BN", "RPN_ANCHOR_SCALES"),
    *("RPN_ANCHOR_RATIOS", "RPN_ANCHOR_STRIDE", "RPN_CHANNELS", "PRE_NMS_LIMIT"),
    *("RPN_BBOX_STD_DEV", "IMAGE_CHANNEL_COUNT", "NUM_CLASSES", "BBOX_STD_DEV"),
    *("ROI_OP", "ROI_SAMPLING_RATIO", "ROI_REDUCE", "ROI_LEVEL_ROUNDING"),
    *("POOL_SIZE", "MASK_POOL_SIZE", "MASK_SHAPE", "MASK_HEAD_CHANNELS"),
    "FPN_CLASSIF_FC_LAYERS_SIZE",
)
BUILT_IN_MODE = {
    "training": (
        *("POST_NMS_ROIS_TRAINING", "TRAIN_ROIS_PER_IMAGE", "ROI_POSITIVE_RATIO"),
        *("ROI_POSITIVE_IOU", "USE_RPN_ROIS", "USE_MINI_MASK"),
    ),
    "inference": ("POST_NMS_ROIS_INFERENCE", "DETECTION_MAX_INSTANCES"),
}


class ConfigChanges:
    """Compares a Config with what it was when the model was built."""

    def __init__(self, mode: str, config):
        """Remembers the values.

        Args:
            mode: "training" or "inference".
            config: the Config that the model is built from.
        """
        names = (*BUILT_IN, *BUILT_IN_MODE[mode])
        self._built = {name: to_json(getattr(config, name)) for name in names}
        self._told = dict(self._built)
        self._followed = {name: getattr(config, name) for name in FOLLOWED}

    def apply(self, config, keras_model: keras.Model, function: str) -> None:
        """Gives thresholds that were changed to the layers; warns of other changes.

        Args:
            config: the Config as it is now.
            keras_model: the model that was built.
            function: what the user called, for the warning.

        Raises:
            ValueError: a threshold has an impossible value.
        """
        for name, (layer_class, argument) in FOLLOWED.items():
            value = getattr(config, name)
            if value == self._followed[name]:
                continue
            config.validate()
            for layer in keras_model.layers:
                if isinstance(layer, layer_class):
                    setattr(layer, argument, value)
            # It was traced with the old value.
            keras_model.predict_function = None
            self._followed[name] = value
        now = {name: to_json(getattr(config, name)) for name in self._built}
        changed = [name for name in now if now[name] != self._told[name]]
        self._told = now
        changed = [name for name in changed if now[name] != self._built[name]]
        if changed:
            pairs = (f"{n}={now[n]!r} (built: {self._built[n]!r})" for n in changed)
            warnings.warn(
                f"{function}(): changed in the Config after the model was built, which "
                f"keeps what it was built with: {', '.join(pairs)}. Build a new "
                "MaskRCNN from the Config and load the weights into it.",
                stacklevel=4,
            )
