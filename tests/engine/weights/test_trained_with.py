"""How far a MEAN_PIXEL is from that of known weights, whatever the channels."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.engine.weights.imagenet import MEAN_RGB
from mrcnn.engine.weights.trained_with import mean_offset


@pytest.mark.parametrize(
    ("mean", "offset"),
    [
        ([*MEAN_RGB], 0),
        ([MEAN_RGB[0] + 3, MEAN_RGB[1] - 5, MEAN_RGB[2]], 5),
        ([np.mean(MEAN_RGB)], 0),  # grey
        ([np.mean(MEAN_RGB) - 2, np.mean(MEAN_RGB)], 2),
        ([*MEAN_RGB, 0, 255], 0),  # channels that the weights were not trained with
        ([MEAN_RGB[0], 0, MEAN_RGB[2], MEAN_RGB[1]], MEAN_RGB[1]),
    ],
)
def test_the_offset_is_that_of_the_channels_that_were_trained_with(mean, offset):
    assert mean_offset(mean, MEAN_RGB) == pytest.approx(offset)
