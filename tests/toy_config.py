"""A small configuration, and a backbone of the user's own, for the tests of Config."""

from __future__ import annotations

from mrcnn.config import Config


class ToyConfig(Config):
    NAME = "toy"
    NUM_CLASSES = 3
    BACKBONE = "resnet50"


def small_backbone(input_image, stage5=True, train_bn=None):
    return input_image, stage5, train_bn


def small_shapes(config, image_shape):
    return [[image_shape[0] // stride] * 2 for stride in config.BACKBONE_STRIDES]
