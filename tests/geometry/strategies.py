"""What the tests draw, by hypothesis or by hand: boxes, deltas, shapes, masks."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

sides = st.integers(1, 60)
shapes = st.tuples(st.integers(1, 300), st.integers(1, 300))


def _stack(rows, dtype) -> np.ndarray:
    return np.array(rows, dtype=dtype).reshape(-1, 4)


def _corners(row) -> tuple:
    y, x, height, width = row
    return y, x, y + height, x + width


def boxes_px(min_size=0, max_size=8, min_side=1, canvas=200) -> st.SearchStrategy:
    """int32 [N, 4], half open, in a canvas twice as wide as high."""
    row = st.tuples(
        st.integers(0, canvas),
        st.integers(0, 2 * canvas),
        st.integers(min_side, canvas),
        st.integers(min_side, canvas),
    )
    rows = st.lists(row.map(_corners), min_size=min_size, max_size=max_size)
    return rows.map(lambda drawn: _stack(drawn, np.int32))


def _floats(low, high) -> st.SearchStrategy:
    # TensorFlow takes subnormal numbers for zero.
    return st.floats(low, high, width=32, allow_subnormal=False)


def boxes_norm(min_size=0, max_size=8) -> st.SearchStrategy:
    """float32 [N, 4], around the unit square, sides of 1/64 and more."""
    row = st.tuples(
        _floats(-0.25, 1), _floats(-0.25, 1), _floats(2**-6, 1), _floats(2**-6, 1)
    )
    rows = st.lists(row.map(_corners), min_size=min_size, max_size=max_size)
    return rows.map(lambda drawn: _stack(drawn, np.float32))


@st.composite
def box_pairs(draw, max_size=8):
    """Two float32 [N, 4] of the same length."""
    boxes = draw(boxes_norm(1, max_size))
    others = draw(boxes_norm(len(boxes), len(boxes)))
    return boxes, others


@st.composite
def boxes_and_deltas(draw, max_size=8):
    """Boxes float32 [N, 4] and deltas float32 [N, 4] of a moderate size."""
    boxes = draw(boxes_norm(1, max_size))
    deltas = draw(hnp.arrays(np.float32, boxes.shape, elements=_floats(-3, 3)))
    return boxes, deltas


@st.composite
def scored_boxes(draw, max_size=12, num_classes=3):
    """Boxes int32 [N, 4], scores (ties are likely) float32 [N], class ids int32 [N]."""
    boxes = draw(boxes_px(0, max_size, canvas=20))
    count = len(boxes)
    scores = draw(hnp.arrays(np.int32, count, elements=st.integers(0, 5)))
    class_ids = draw(hnp.arrays(np.int32, count, elements=st.integers(1, num_classes)))
    return boxes, (scores / 5).astype(np.float32), class_ids


@st.composite
def mask_stacks(draw, max_side=24, max_count=4, min_count=0):
    """bool [H, W, N]: blobs of random density, some of them empty or full."""
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    count = draw(st.integers(min_count, max_count))
    densities = draw(
        st.lists(st.sampled_from([0.0, 0.02, 0.5, 1.0]), min_size=count, max_size=count)
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random((height, width, count)) < np.array(densities)


@cache
def _graph(function, specs):
    import tensorflow as tf

    signature = [tf.TensorSpec(shape, dtype) for shape, dtype in specs]
    return tf.function(function, input_signature=signature)


def in_graph(function, *specs):
    """`function` as one tf.function for arguments of (shape, dtype), traced once."""
    return _graph(function, tuple((tuple(shape), dtype) for shape, dtype in specs))


def rectangles(boxes, height, width) -> np.ndarray:
    """bool [height, width, N] with one filled box each."""
    masks = np.zeros((height, width, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return masks
