from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.image_meta import (
    META_SIZE,
    compose_image_meta,
    parse_image_meta,
    parse_image_meta_tensor,
)

small = st.integers(0, 5000)
metas = st.fixed_dictionaries(
    {
        "image_id": st.integers(0, 2**24),  # float32 is exact up to here
        "original_image_shape": st.tuples(small, small, st.integers(1, 4)),
        "image_shape": st.tuples(small, small, st.integers(1, 4)),
        "window": st.tuples(small, small, small, small),
        "scale": st.floats(0.0625, 16, width=32),
        "active_class_ids": st.lists(st.integers(0, 1), max_size=5),
    }
)


@settings(max_examples=50, deadline=None)
@given(metas)
def test_parsing_gives_back_what_was_composed(parts):
    meta = compose_image_meta(**parts)
    assert meta.shape == (META_SIZE + len(parts["active_class_ids"]),)
    assert meta.dtype == np.float32
    parsed = parse_image_meta(meta)
    assert parsed.keys() == parts.keys()
    for name, value in parts.items():
        np.testing.assert_array_equal(parsed[name], value)


@settings(max_examples=30, deadline=None)
@given(st.lists(metas, min_size=1, max_size=3))
def test_twins_are_equal(batch):
    for parts in batch:
        parts["active_class_ids"] = [1, 0, 1]
    meta = np.stack([compose_image_meta(**parts) for parts in batch])
    parsed, twin = parse_image_meta(meta), parse_image_meta_tensor(meta)
    assert parsed.keys() == twin.keys()
    for name, value in parsed.items():
        np.testing.assert_array_equal(twin[name], value)


@pytest.mark.parametrize("batch", [1, 3])
def test_twin_runs_in_a_graph(batch):
    import tensorflow as tf

    graph = tf.function(
        parse_image_meta_tensor, input_signature=[tf.TensorSpec([None, None])]
    )
    row = compose_image_meta(
        7, (40, 30, 3), (64, 128, 3), (12, 17, 52, 47), 0.5, [1, 1]
    )
    parsed = graph(np.tile(row, (batch, 1)))
    np.testing.assert_array_equal(parsed["image_shape"], [[64, 128, 3]] * batch)
    np.testing.assert_array_equal(parsed["window"], [[12, 17, 52, 47]] * batch)
    np.testing.assert_array_equal(parsed["scale"], [0.5] * batch)
    np.testing.assert_array_equal(parsed["active_class_ids"], [[1, 1]] * batch)


def test_dtypes_of_the_parts():
    meta = np.zeros((2, META_SIZE + 3), np.float32)
    parsed = parse_image_meta(meta)
    assert parsed.pop("scale").dtype == np.float32
    assert {part.dtype for part in parsed.values()} == {np.dtype(np.int32)}
    assert parsed["active_class_ids"].shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("original_image_shape", (40, 30)),
        ("image_shape", (64, 64, 3, 1)),
        ("window", (0, 0, 64)),
    ],
)
def test_parts_of_the_wrong_length_raise(name, value):
    parts = {
        "original_image_shape": (40, 30, 3),
        "image_shape": (64, 64, 3),
        "window": (0, 0, 64, 64),
    }
    parts[name] = value
    with pytest.raises(ValueError, match=rf"compose_image_meta\({name}="):
        compose_image_meta(image_id=0, scale=1, active_class_ids=[1], **parts)


@pytest.mark.parametrize("meta", [np.zeros((2, 11)), np.float32(3)])
def test_rows_that_are_too_short_raise(meta):
    with pytest.raises(ValueError, match=r"parse_image_meta\(meta\): 12 numbers"):
        parse_image_meta(meta)


@pytest.mark.parity
@pytest.mark.parametrize("name", ["000000047112", "14898532020_ba6199dd22_k", "square"])
def test_meta_equals_the_recorded_one(shared, name):
    recorded = np.load(shared / "parity" / f"expected_{name}.npz")
    parts = parse_image_meta(recorded["image_meta"])
    np.testing.assert_array_equal(parts["window"], recorded["window"])
    np.testing.assert_array_equal(parts["image_shape"], recorded["molded_shape"])
    np.testing.assert_allclose(
        compose_image_meta(**parts), recorded["image_meta"], rtol=1e-6
    )
