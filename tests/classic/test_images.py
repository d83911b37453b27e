"""Molding of images, and the function that never molded a mask."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn import utils
from mrcnn.config import Config
from mrcnn.model import mold_image, unmold_image


def test_mold_image_subtracts_the_mean_and_unmold_image_adds_it():
    config = Config()
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    molded = mold_image(image, config)
    assert molded.dtype == np.float32
    np.testing.assert_allclose(molded, image - config.MEAN_PIXEL, atol=1e-4)
    np.testing.assert_array_equal(unmold_image(molded, config), image)


def test_mold_mask_says_what_to_call_instead():
    with pytest.raises(NotImplementedError, match="minimize_mask"):
        utils.mold_mask(np.zeros((4, 4, 1)), Config())
