"""The old loss functions: tensors in, a scalar out."""

from __future__ import annotations

from mrcnn.nn import losses


def rpn_class_loss_graph(rpn_match, rpn_class_logits):
    """Returns `nn.losses.rpn_class_loss`, float32 [].

    Args:
        rpn_match: [B, A, 1], 1 object, -1 background, 0 not sampled.
        rpn_class_logits: [B, A, (background, object)].
    """
    return losses.rpn_class_loss(rpn_match, rpn_class_logits)


def rpn_bbox_loss_graph(config, target_bbox, rpn_match, rpn_bbox):
    """Returns `nn.losses.rpn_bbox_loss`, float32 [].

    Args:
        config: not read: the batch may have any size.
        target_bbox: [B, N, (dy, dx, log dh, log dw)], row i belongs to the i-th
            positive anchor of the image.
        rpn_match: [B, A, 1], 1 object, -1 background, 0 not sampled.
        rpn_bbox: [B, A, (dy, dx, log dh, log dw)].
    """
    return losses.rpn_bbox_loss(target_bbox, rpn_match, rpn_bbox)


def mrcnn_class_loss_graph(target_class_ids, pred_class_logits, active_class_ids):
    """Returns `nn.losses.mrcnn_class_loss`, float32 [].

    Rows of padding with class id 0 count as background, those with -1 do not count.

    Args:
        target_class_ids: [B, T].
        pred_class_logits: [B, T, C].
        active_class_ids: [B, C], 1 for the classes of the image's source. Each row is
            used for its own image (the old function took the first for all).
    """
    return losses.mrcnn_class_loss(
        target_class_ids, pred_class_logits, active_class_ids
    )


def mrcnn_bbox_loss_graph(target_bbox, target_class_ids, pred_bbox):
    """Returns `nn.losses.mrcnn_bbox_loss`, float32 [].

    Args:
        target_bbox: [B, T, (dy, dx, log dh, log dw)].
        target_class_ids: [B, T], 0 for background and padding.
        pred_bbox: [B, T, C, (dy, dx, log dh, log dw)].
    """
    return losses.mrcnn_bbox_loss(target_bbox, target_class_ids, pred_bbox)


def mrcnn_mask_loss_graph(target_masks, target_class_ids, pred_masks):
    """Returns `nn.losses.mrcnn_mask_loss`, float32 [].

    Args:
        target_masks: [B, T, h, w], 0 or 1.
        target_class_ids: [B, T], 0 for background and padding.
        pred_masks: [B, T, h, w, C], probability.
    """
    return losses.mrcnn_mask_loss(target_masks, target_class_ids, pred_masks)
