"""The model of the old run, built once, and one run of each image."""

from __future__ import annotations

import pytest

from tests.parity.chain import IMAGES, Chain


@pytest.fixture(scope="session")
def chain(shared, tmp_path_factory):
    """The model with the old weights."""
    return Chain(shared, tmp_path_factory.mktemp("parity"))


@pytest.fixture(scope="session", params=list(IMAGES))
def run(chain, request):
    """What the old package and ours make of one image."""
    return chain.run(request.param)
