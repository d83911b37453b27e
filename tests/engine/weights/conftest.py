"""A model, and its weight file in the old layout."""

from __future__ import annotations

import pytest

from mrcnn.engine.weights.model_weights import save_weights
from tests.engine.weight_models import fill, make_model


@pytest.fixture(scope="module")
def source():
    """A model in which no two tensors are equal, moving statistics included."""
    return fill(make_model())


@pytest.fixture(scope="module")
def file(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "source.h5"
    save_weights(source, path)
    return path
