from __future__ import annotations

import pytest

from mrcnn.data.feature_maps import feature_shapes
from tests.data.tiny import TinyConfig


def own_shapes(config, image_shape):
    return [[image_shape[0] // 2, image_shape[1] // config.NUM_CLASSES]] * 5


def test_own_backbone_shapes_are_respected():
    class AsFunction(TinyConfig):
        COMPUTE_BACKBONE_SHAPE = own_shapes

    class AsStatic(TinyConfig):
        COMPUTE_BACKBONE_SHAPE = staticmethod(own_shapes)

    on_instance = TinyConfig()
    on_instance.COMPUTE_BACKBONE_SHAPE = own_shapes
    for config in (AsFunction(), AsStatic(), on_instance):
        assert feature_shapes(config, (64, 96, 3)).tolist() == [[32, 32]] * 5
    assert feature_shapes(TinyConfig(), (65, 96, 3))[0].tolist() == [17, 24]


@pytest.mark.parametrize(
    "returned",
    [
        [[16, 16], [8, 8], [4, 4], [2, 2]],  # P6 was forgotten
        [[16, 16, 3]] * 5,
        [16, 8, 4, 2, 1],
        [[16, 16], [8, 8], [4, 4], [2, 2], [1]],
        [[16, 16], [8, 8], [4, 4], [2, 2], [0.5, 0.5]],
        [[16, 16], [8, 8], [4, 4], [2, 2], [0, 1]],
        [[None, None]] * 5,
        None,
    ],
)
def test_own_backbone_shapes_that_fit_no_pyramid_are_refused(returned):
    config = TinyConfig()
    config.COMPUTE_BACKBONE_SHAPE = lambda config, image_shape: returned
    with pytest.raises(ValueError) as error:
        feature_shapes(config, (64, 64, 3))
    text = str(error.value)
    assert "COMPUTE_BACKBONE_SHAPE(config, image_shape=(64, 64, 3))" in text
    assert "5 BACKBONE_STRIDES" in text and repr(returned) in text
