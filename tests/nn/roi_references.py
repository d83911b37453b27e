"""RoI operators in plain NumPy, float64, written from the papers for the tests."""

from __future__ import annotations

import math

import numpy as np


def bilinear(feature, y, x):
    """Value of [h, w, c] at one point, y and x counted from the centre of cell 0.

    A point up to a cell outside takes the value of the edge; beyond it is 0.
    """
    height, width, _ = feature.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(feature.shape[-1])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    top = (1 - dx) * feature[y0, x0] + dx * feature[y0, x1]
    bottom = (1 - dx) * feature[y1, x0] + dx * feature[y1, x1]
    return (1 - dy) * top + dy * bottom


def roi_align_numpy(feature, boxes, pool_shape, ratio=2, reduce=np.mean):
    """Mask R-CNN (1703.06870) fig. 3: `ratio` x `ratio` samples a bin, reduced."""
    feature = feature.astype(np.float64)
    rows, columns = pool_shape
    out = np.empty((len(boxes), rows, columns, feature.shape[-1]))
    for n, (y1, x1, y2, x2) in enumerate(np.asarray(boxes, np.float64)):
        bin_height, bin_width = (y2 - y1) / rows, (x2 - x1) / columns
        for i in range(rows):
            for j in range(columns):
                samples = [
                    bilinear(
                        feature,
                        y1 + (i + (a + 0.5) / ratio) * bin_height - 0.5,
                        x1 + (j + (b + 0.5) / ratio) * bin_width - 0.5,
                    )
                    for a in range(ratio)
                    for b in range(ratio)
                ]
                out[n, i, j] = reduce(samples, axis=0)
    return out


def roi_crop_numpy(feature, boxes_norm, pool_shape):
    """One bilinear sample a bin, corners on corners, 0 outside of the map."""
    feature = feature.astype(np.float64)
    height, width, channels = feature.shape
    rows, columns = pool_shape
    out = np.zeros((len(boxes_norm), rows, columns, channels))
    for n, (y1, x1, y2, x2) in enumerate(np.asarray(boxes_norm, np.float64)):
        for i, y in enumerate(np.linspace(y1, y2, rows) * (height - 1)):
            for j, x in enumerate(np.linspace(x1, x2, columns) * (width - 1)):
                if 0 <= y <= height - 1 and 0 <= x <= width - 1:
                    out[n, i, j] = bilinear(feature, y, x)
    return out


def roi_pool_numpy(feature, boxes, pool_shape):
    """Fast R-CNN (1504.08083) sec. 2.1: whole cells, overlapping bins, maximum."""
    height, width, channels = feature.shape
    rows, columns = pool_shape
    out = np.zeros((len(boxes), rows, columns, channels))
    for n, box in enumerate(np.asarray(boxes, np.float64)):
        y1, x1, y2, x2 = (math.floor(side) for side in box)
        box_height, box_width = max(y2 - y1, 1), max(x2 - x1, 1)
        for i in range(rows):
            top = y1 + math.floor(i * box_height / rows)
            bottom = y1 + math.ceil((i + 1) * box_height / rows)
            for j in range(columns):
                left = x1 + math.floor(j * box_width / columns)
                right = x1 + math.ceil((j + 1) * box_width / columns)
                cells = feature[
                    max(top, 0) : max(min(bottom, height), 0),
                    max(left, 0) : max(min(right, width), 0),
                ]
                if cells.size:
                    out[n, i, j] = cells.max(axis=(0, 1))
    return out


def roi_level_numpy(box_norm, image_shape, rounding):
    """FPN (1612.03144) eq. 1, sides in norm; Python rounds ties to even as well."""
    y1, x1, y2, x2 = (float(side) for side in box_norm)
    area = (y2 - y1) * (x2 - x1) * image_shape[0] * image_shape[1]
    if area <= 0:
        return 2
    octave = math.log2(math.sqrt(area) / 224)
    octave = round(octave) if rounding == "round" else math.floor(octave)
    return min(max(4 + octave, 2), 5)
