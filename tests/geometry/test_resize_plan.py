from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.resize_plan import (
    check_model_sides,
    plan_resize,
    scaled_shape,
)

from .strategies import shapes

NO_PADDING = [(0, 0), (0, 0), (0, 0)]
MANY = settings(max_examples=50, deadline=None)


def size_after(plan) -> tuple[int, int]:
    """Height and width of the model image that a plan leads to."""
    height, width = plan.crop[2:] if plan.crop else plan.shape
    (top, bottom), (left, right), _ = plan.padding
    return top + height + bottom, left + width + right


# --- drawn cases --------------------------------------------------------------------


def test_none_does_nothing():
    plan = plan_resize((37, 91, 3), 800, 1024, 2.0, mode="none")
    assert plan == (1.0, (37, 91), (0, 0, 37, 91), NO_PADDING, None)


@pytest.mark.parametrize(
    ("shape", "scale", "scaled", "window"),
    [
        # Enlarged until the short side is 800; 1067 is too long, so 1024 / 640.
        ((480, 640), 1.6, (768, 1024), (128, 0, 896, 1024)),
        ((640, 480), 1.6, (1024, 768), (0, 128, 1024, 896)),
        # Short side 800 fits.
        ((500, 600), 1.6, (800, 960), (112, 32, 912, 992)),
        # Larger than the square: reduced, though the short side falls below 800.
        ((1365, 2048), 0.5, (682, 1024), (171, 0, 853, 1024)),
        # Already between both: untouched. Odd rests go to the bottom and the right.
        ((801, 1023), 1.0, (801, 1023), (111, 0, 912, 1023)),
    ],
)
def test_square(shape, scale, scaled, window):
    plan = plan_resize(shape, min_dim=800, max_dim=1024, mode="square")
    assert plan.scale == pytest.approx(scale)
    assert plan.shape == scaled
    assert plan.window == window
    assert plan.crop is None
    assert size_after(plan) == (1024, 1024)


def test_square_without_min_dim_never_enlarges():
    assert plan_resize((30, 60), max_dim=128).scale == 1
    assert plan_resize((30, 60), min_dim=0, max_dim=128).scale == 1


def test_square_leaves_a_side_that_rounds_to_max_dim():
    # 1024.4 rounds to 1024: not too long.
    plan = plan_resize((800, 1024), min_scale=1.0004, max_dim=1024)
    assert plan.scale == 1.0004
    assert plan.shape == (800, 1024)


def test_square_keeps_a_pixel_of_threads():
    plan = plan_resize((2, 5000), max_dim=512)
    assert plan.shape == (1, 512)


@pytest.mark.parametrize(
    ("shape", "min_dim", "min_scale", "scaled", "padding"),
    [
        # Multiples of 64 already.
        ((128, 192), None, None, (128, 192), [(0, 0), (0, 0), (0, 0)]),
        # 100 -> 128: 14 and 14; 129 -> 192: 31 and 32.
        ((100, 129), None, None, (100, 129), [(14, 14), (31, 32), (0, 0)]),
        # Sides that min_dim gives need not be multiples: padding sees to that.
        ((100, 150), 800, None, (800, 1200), [(16, 16), (8, 8), (0, 0)]),
        # Doubled by min_dim.
        ((64, 100), 128, None, (128, 200), [(0, 0), (28, 28), (0, 0)]),
        # Tripled by min_scale.
        ((64, 100), 128, 3, (192, 300), [(0, 0), (10, 10), (0, 0)]),
    ],
)
def test_pad64(shape, min_dim, min_scale, scaled, padding):
    plan = plan_resize(shape, min_dim, 128, min_scale, mode="pad64")
    assert plan.shape == scaled
    assert plan.padding == padding
    assert plan.crop is None


def test_crop_cuts_a_square_out_of_the_enlarged_image():
    plan = plan_resize((50, 200), min_dim=100, mode="crop", rng=5)
    assert plan.scale == 2
    assert plan.shape == (100, 400)
    y, x, height, width = plan.crop
    assert (y, height, width) == (0, 100, 100)
    assert 0 <= x <= 300
    assert plan.window == (0, 0, 100, 100)
    assert plan.padding == NO_PADDING


def test_crop_is_placed_by_its_rng():
    arguments = ((90, 200), 64, None, None, "crop")
    placed = plan_resize(*arguments, rng=3)
    assert placed == plan_resize(*arguments, rng=np.random.default_rng(3))


def test_crop_reaches_all_ends():
    rng = np.random.default_rng(0)
    plans = [plan_resize((66, 65), 64, mode="crop", rng=rng) for _ in range(80)]
    places = {plan.crop[:2] for plan in plans}
    assert places == {(y, x) for y in (0, 1, 2) for x in (0, 1)}


# --- laws ---------------------------------------------------------------------------


@MANY
@given(shapes, st.sampled_from([None, 0, 32, 200]), st.sampled_from([64, 256]))
def test_square_law(shape, min_dim, max_dim):
    plan = plan_resize(shape, min_dim, max_dim)
    assert size_after(plan) == (max_dim, max_dim)
    y1, x1, y2, x2 = plan.window
    assert (y2 - y1, x2 - x1) == plan.shape
    assert 0 <= y1 < y2 <= max_dim
    assert 0 <= x1 < x2 <= max_dim
    assert abs((max_dim - y2) - y1) <= 1  # in the middle
    assert abs((max_dim - x2) - x1) <= 1
    fits = max(shape) * max(1, (min_dim or 0) / min(shape)) <= max_dim
    assert fits or max(plan.shape) == max_dim  # as large as allowed


@MANY
@given(shapes, st.sampled_from([None, 64, 100]), st.sampled_from([None, 0, 1.7]))
def test_pad64_law(shape, min_dim, min_scale):
    plan = plan_resize(shape, min_dim, None, min_scale, mode="pad64")
    height, width = size_after(plan)
    assert height % 64 == width % 64 == 0
    assert 0 <= height - plan.shape[0] < 64
    assert 0 <= width - plan.shape[1] < 64
    assert plan.scale >= max(1, min_scale or 1)
    assert min(plan.shape) >= (min_dim or 1)


@MANY
@given(shapes, st.integers(1, 300), st.integers(0, 2**32))
def test_crop_law(shape, min_dim, seed):
    plan = plan_resize(shape, min_dim, mode="crop", rng=seed)
    y, x, height, width = plan.crop
    assert size_after(plan) == (height, width) == (min_dim, min_dim)
    assert 0 <= y <= plan.shape[0] - min_dim
    assert 0 <= x <= plan.shape[1] - min_dim


@MANY
@given(shapes, st.floats(0.001, 5))
def test_scaled_shapes_have_pixels(shape, scale):
    scaled = scaled_shape(shape, scale)
    assert min(scaled) >= 1
    np.testing.assert_allclose(scaled, np.array(shape) * scale, atol=1)


def test_scaled_shape_rounds_halves_to_even():
    assert scaled_shape((5, 15), 0.5) == (2, 8)
    assert scaled_shape((5, 15), 0.1) == (1, 2)


# --- errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "squre", "max_dim": 64}, "mode='squre'.*unknown mode.*'pad64'"),
        ({"mode": "square"}, r"max_dim=None.*IMAGE_MAX_DIM"),
        ({"mode": "square", "max_dim": 0}, "max_dim=0"),
        ({"mode": "crop"}, r"min_dim=None.*IMAGE_MIN_DIM"),
    ],
)
def test_plans_that_cannot_work_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan_resize((50, 60, 3), **arguments)


def test_sides_the_network_can_take_pass():
    for shape in [(64, 64), (128, 192, 3), np.array([640, 64, 1])]:
        check_model_sides(shape, "here()")


@pytest.mark.parametrize("shape", [(375, 500, 3), (64, 500, 3), (96, 64)])
def test_sides_the_network_cannot_take_raise_with_a_remedy(shape):
    named = rf"here\(\): .* {shape[0]} x {shape[1]} px.* 64\..*'pad64'.*'square'"
    with pytest.raises(ValueError, match=named):
        check_model_sides(shape, "here()")


@pytest.mark.parametrize("shape", [(0, 5, 3), (5,), (5, 0)])
def test_images_without_pixels_raise(shape):
    with pytest.raises(ValueError, match=r"plan_resize\(shape\)"):
        plan_resize(shape, max_dim=64)


@pytest.mark.parity
@pytest.mark.parametrize("name", ["000000047112", "14898532020_ba6199dd22_k", "square"])
def test_plan_equals_what_the_old_package_did(shared, name):
    recorded = np.load(shared / "parity" / f"expected_{name}.npz")
    meta = recorded["image_meta"]
    plan = plan_resize(meta[1:4].astype(int), min_dim=409, max_dim=512)
    np.testing.assert_array_equal(plan.window, recorded["window"])
    assert plan.scale == pytest.approx(meta[11], rel=1e-6)
