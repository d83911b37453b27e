"""The tensor twins of masks.py and box_masks.py say what the NumPy functions say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrcnn.geometry import masks as M
from mrcnn.geometry.resize_plan import plan_resize

from .strategies import in_graph, mask_stacks, rectangles

TWINS = settings(max_examples=25, deadline=None)
HEIGHT, WIDTH = 20, 33

BOXES, BOX = ([None, 4], "float32"), ([4], "float32")
STACK, MASK = ([None, None, None], "bool"), ([None, None], "float64")
SHAPE = ([None], "int32")

# In, across and outside of an image of HEIGHT x WIDTH; some turned inside out.
any_box = st.tuples(
    st.integers(-30, 50), st.integers(-30, 60), st.integers(-3, 40), st.integers(-3, 40)
).map(lambda row: [row[0], row[1], row[0] + row[2], row[1] + row[3]])
DRAWN = [
    [0, 0, HEIGHT, WIDTH],  # the image
    [-3, -4, 5, 6],  # over the upper left corner
    [14, 28, 25, 50],  # over the lower right one
    [-5, -5, 40, 60],  # larger than the image
    [2, 3, 2, 9],  # no height
    [2, 3, 9, 3],  # no width
    [9, 3, 2, 30],  # inside out
    [40, 3, 50, 9],  # below the image
    [-9, 3, -2, 9],  # above it
    [3, -20, 9, -2],  # left of it
    [HEIGHT, WIDTH, HEIGHT + 3, WIDTH + 3],  # touches the last corner
    [1.5, 2.5, 6.5, 9.49],  # between pixels
]


def as_boxes(rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def minimize_to_7_by_5(boxes, masks):
    return M.minimize_mask_tensor(boxes, masks, (7, 5))


def resize_and_crop(mask, scale, padding, crop):
    return M.resize_mask_tensor(mask, scale, padding, crop)


# --- extraction ---------------------------------------------------------------------


@TWINS
@given(mask_stacks())
@example(np.zeros((0, 5, 2), bool))
@example(np.zeros((5, 0, 2), bool))
@example(np.zeros((5, 7, 0), bool))
def test_extracted_boxes_are_equal(masks):
    expected = M.extract_bboxes(masks)
    graph = in_graph(M.extract_bboxes_tensor, STACK)
    for twin in (M.extract_bboxes_tensor(masks), graph(masks)):
        assert twin.dtype == expected.dtype
        np.testing.assert_array_equal(twin, expected)


# --- mini masks ---------------------------------------------------------------------


@TWINS
@given(mask_stacks(), st.data())
def test_mini_masks_are_equal(masks, data):
    height, width, count = masks.shape
    boxes = []
    for _ in range(count):  # any box within the image, border included
        y1, x1 = data.draw(st.tuples(*(st.integers(0, n - 1) for n in (height, width))))
        y2 = data.draw(st.integers(y1 + 1, height))
        boxes.append([y1, x1, y2, data.draw(st.integers(x1 + 1, width))])
    boxes = as_boxes(boxes)
    expected = M.minimize_mask(boxes, masks, (7, 5))
    graph = in_graph(minimize_to_7_by_5, BOXES, STACK)
    assert graph.get_concrete_function().output_shapes == (7, 5, None)
    for twin in (minimize_to_7_by_5(boxes, masks), graph(boxes, masks)):
        assert twin.dtype == expected.dtype
        np.testing.assert_array_equal(twin, expected)


@pytest.mark.parametrize(
    "box",
    [
        [2, 2, 2, 5],  # no height
        [2, 5, 4, 2],  # inside out
        [0, 0, 9, 5],  # below the image
        [0, -1, 5, 5],  # left of it
    ],
)
def test_impossible_mini_boxes_raise_in_both(box):
    import tensorflow as tf

    masks, boxes = np.ones((8, 12, 2), bool), as_boxes([[0, 0, 8, 12], box])
    with pytest.raises(ValueError, match="not within the image"):
        M.minimize_mask(boxes, masks, (7, 5))
    graph = in_graph(minimize_to_7_by_5, BOXES, STACK)
    for twin in (minimize_to_7_by_5, graph):
        with pytest.raises(tf.errors.InvalidArgumentError, match="not within the"):
            twin(boxes, masks)


@TWINS
@given(st.lists(any_box, max_size=4), st.integers(0, 99))
@example(DRAWN, 0)
@example([], 0)
def test_expanded_masks_are_equal(boxes, seed):
    boxes = as_boxes(boxes)
    mini = np.random.default_rng(seed).random((7, 5, len(boxes))) > 0.4
    shape = (HEIGHT, WIDTH, 3)
    expected = M.expand_mask(boxes, mini, shape)
    graph = in_graph(M.expand_mask_tensor, BOXES, STACK, SHAPE)
    for twin in (M.expand_mask_tensor(boxes, mini, shape), graph(boxes, mini, shape)):
        assert twin.dtype == expected.dtype
        np.testing.assert_array_equal(twin, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_numbers_are_masks_where_they_are_not_zero(dtype):
    masks = rectangles([[1, 2, 5, 8], [0, 0, 9, 4]], 9, 8)
    numbers = (
        masks.astype(dtype) / dtype(2) if dtype is np.float32 else masks * dtype(7)
    )
    boxes = M.extract_bboxes(masks)
    np.testing.assert_array_equal(M.extract_bboxes_tensor(numbers), boxes)
    mini = M.minimize_mask_tensor(boxes, numbers, (4, 4))
    np.testing.assert_array_equal(mini, M.minimize_mask(boxes, masks, (4, 4)))
    numbers = mini.numpy() * dtype(1)
    expanded = M.expand_mask_tensor(boxes, numbers, masks.shape)
    np.testing.assert_array_equal(expanded, masks)


# --- pasting ------------------------------------------------------------------------


def check_pasting(box, threshold, seed):
    mask = np.random.default_rng(seed).random((14, 9))
    box, shape = np.array(box, np.float32), (HEIGHT, WIDTH)
    crop = M.paste_crop(mask, box, threshold)
    full = M.unmold_mask(mask, box, shape, threshold)
    crop_graph = in_graph(M.paste_crop_tensor, MASK, BOX, ([], "float64"))
    full_graph = in_graph(M.unmold_mask_tensor, MASK, BOX, SHAPE, ([], "float64"))
    for twin, expected in (
        (M.paste_crop_tensor(mask, box, threshold), crop),
        (crop_graph(mask, box, threshold), crop),
        (M.unmold_mask_tensor(mask, box, shape, threshold), full),
        (full_graph(mask, box, shape, threshold), full),
    ):
        assert twin.dtype == expected.dtype
        np.testing.assert_array_equal(twin, expected)


@TWINS
@given(any_box, st.sampled_from([0.5, 0.7]), st.integers(0, 99))
def test_pasted_masks_are_equal(box, threshold, seed):
    check_pasting(box, threshold, seed)


@pytest.mark.parametrize("box", DRAWN, ids=str)
def test_drawn_pasted_masks_are_equal(box):
    check_pasting(box, 0.5, seed=1)


def test_threshold_itself_belongs_to_the_object():
    mask = np.array([[0.49, 0.5], [0.8, 0.1]], np.float32)
    crop = M.paste_crop_tensor(mask, [0, 0, 2, 2])
    np.testing.assert_array_equal(crop, [[False, True], [True, False]])


# --- resizing with the image --------------------------------------------------------


@TWINS
@given(
    mask_stacks(),
    st.sampled_from(
        [
            {"mode": "none"},
            {"mode": "square", "min_dim": 48, "max_dim": 64},
            {"mode": "square", "max_dim": 9},
            {"mode": "pad64", "min_dim": 64},
            {"mode": "crop", "min_dim": 16, "rng": 1},
        ]
    ),
)
def test_resized_masks_are_equal(masks, mode):
    plan = plan_resize(masks.shape, **mode)
    labels = masks * np.uint8(3)
    expected = M.resize_mask(labels, plan.scale, plan.padding, plan.crop)
    arguments = (labels, plan.scale, plan.padding)
    specs = [([None] * 3, "uint8"), ([], "float64"), ([3, 2], "int32")]
    if plan.crop is None:
        in_tensorflow = in_graph(M.resize_mask_tensor, *specs)(*arguments)
    else:
        graph = in_graph(resize_and_crop, *specs, ([4], "int32"))
        in_tensorflow = graph(*arguments, plan.crop)
    for twin in (M.resize_mask_tensor(*arguments, plan.crop), in_tensorflow):
        assert twin.dtype == expected.dtype
        np.testing.assert_array_equal(twin, expected)


@pytest.mark.parametrize("crop", [(0, 0, 41, 40), (0, 21, 40, 40), (-1, 0, 9, 9)])
def test_crops_of_another_image_raise_in_both(crop):
    import tensorflow as tf

    masks, padding = np.zeros((20, 30, 1), bool), [(0, 0), (0, 0), (0, 0)]
    with pytest.raises(ValueError, match="does not fit"):
        M.resize_mask(masks, 2, padding, crop)
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fit"):
        M.resize_mask_tensor(masks, 2, padding, crop)
