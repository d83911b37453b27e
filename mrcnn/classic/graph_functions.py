"""Sub-graphs with the arguments of the old package: ResNet, RPN and the two heads."""

from __future__ import annotations

from mrcnn.nn.backbones import resnet
from mrcnn.nn.heads import box_head, mask_head
from mrcnn.nn.roi_align import PyramidROIAlign
from mrcnn.nn.rpn import rpn_layers


def resnet_graph(
    input_image,
    architecture: str,
    stage5: bool = False,
    train_bn: bool | None = True,
) -> list:
    """Returns the feature maps [C1, C2, C3, C4, C5] of a ResNet, see `nn.backbones`.

    Args:
        input_image: [B, H, W, channels].
        architecture: "resnet50", "resnet101" or "resnet18".
        stage5: False leaves out the last stage; C5 is None then.
        train_bn: see `nn.norms.BatchNorm`.
    """
    return resnet(input_image, architecture, stage5=stage5, train_bn=train_bn)


def rpn_graph(feature_map, anchors_per_location: int, anchor_stride: int) -> list:
    """Returns [logits, probs, deltas] of one feature map, see `nn.rpn`.

    Args:
        feature_map: [B, h, w, depth].
        anchors_per_location: anchors at one position.
        anchor_stride: cells from one anchor position to the next.

    Returns:
        float32 [B, a, 2], [B, a, 2], [B, a, 4], a = positions x anchors_per_location.
    """
    return rpn_layers(feature_map, anchors_per_location, anchor_stride)


def fpn_classifier_graph(
    rois,
    feature_maps,
    image_meta,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
    fc_layers_size: int = 1024,
):
    """Returns what the box head says about RoIs, see `nn.heads.box_head`.

    Args:
        rois: [B, R, (y1, x1, y2, x2)], norm.
        feature_maps: [P2, P3, P4, P5]; a P6 behind them is not used.
        image_meta: [B, 12 + C].
        pool_size: side of the pooled map.
        num_classes: C, with the background.
        train_bn: see `nn.norms.BatchNorm`.
        fc_layers_size: units of the two hidden layers.

    Returns:
        logits float32 [B, R, C], probs float32 [B, R, C], deltas float32 [B, R, C, 4].
    """
    pool = PyramidROIAlign([pool_size, pool_size], name="roi_align_classifier")
    return box_head(
        pool([rois, image_meta, *feature_maps[:4]]),
        num_classes=num_classes,
        fc_size=fc_layers_size,
        train_bn=train_bn,
    )


def build_fpn_mask_graph(
    rois,
    feature_maps,
    image_meta,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
):
    """Returns one mask a class for each RoI, see `nn.heads.mask_head`.

    Args:
        rois: [B, R, (y1, x1, y2, x2)], norm.
        feature_maps: [P2, P3, P4, P5]; a P6 behind them is not used.
        image_meta: [B, 12 + C].
        pool_size: side of the pooled map; masks are twice as large.
        num_classes: C, with the background.
        train_bn: see `nn.norms.BatchNorm`.

    Returns:
        float32 [B, R, 2 pool_size, 2 pool_size, C], probability, box.
    """
    pool = PyramidROIAlign([pool_size, pool_size], name="roi_align_mask")
    return mask_head(
        pool([rois, image_meta, *feature_maps[:4]]),
        num_classes=num_classes,
        train_bn=train_bn,
    )
