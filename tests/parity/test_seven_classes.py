"""A file of 81 classes and a network of seven, as most people start."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.parity

# What the error tells people to paste.
EXCLUDE = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


class SevenConfig(Config):
    NAME = "seven"
    BACKBONE = "resnet50"
    NUM_CLASSES = 7


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    return MaskRCNN("inference", SevenConfig(), tmp_path_factory.mktemp("logs"))


def _weights(model):
    return [w.numpy().copy() for w in model.keras_model.weights]


def test_without_exclude_the_error_gives_both_counts_and_the_line(seven, chain):
    before = _weights(seven)
    with pytest.raises(ValueError, match="81") as error:
        seven.load_weights(chain.weights_path, by_name=True)
    for part in ("7", *EXCLUDE, "exclude="):
        assert part in str(error.value)
    assert all(map(np.array_equal, before, _weights(seven)))


def test_with_exclude_all_but_the_four_heads_is_the_files(seven, chain):
    report = seven.load_weights(chain.weights_path, by_name=True, exclude=EXCLUDE)
    assert {name.split("/")[0] for name in report.excluded} == {
        "mrcnn_class_logits",
        "mrcnn_bbox_fc",
        "mrcnn_mask",
    }
    assert not report.missing and not report.mismatched
    assert len(report.matched) == len(chain.report.matched) - 6
    kernel = seven.keras_model.get_layer("res5c_branch2c").kernel
    theirs = chain.model.keras_model.get_layer("res5c_branch2c").kernel
    np.testing.assert_array_equal(kernel, theirs)
