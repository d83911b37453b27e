from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.config import Config
from tests.toy_config import ToyConfig, small_backbone, small_shapes


class TestDict:
    def test_round_trip_through_json(self):
        config = ToyConfig()
        config.BATCH_SIZE = 7
        config.MEAN_PIXEL = np.array([1.0, 2.0, 3.0])
        config.HEAD_EPOCHS = np.int64(4)
        again = ToyConfig.from_dict(json.loads(json.dumps(config.to_dict())))
        assert again.to_dict() == config.to_dict()
        assert isinstance(again.MEAN_PIXEL, np.ndarray)
        assert isinstance(again.MINI_MASK_SHAPE, tuple)
        again.validate()

    @given(
        st.fixed_dictionaries(
            {
                "NUM_CLASSES": st.integers(2, 100),
                "IMAGES_PER_GPU": st.integers(1, 16),
                "LEARNING_RATE": st.floats(0, 1),
                "MEAN_PIXEL": st.lists(st.floats(0, 255), min_size=3, max_size=3),
                "RPN_ANCHOR_SCALES": st.lists(
                    st.integers(1, 512), min_size=5, max_size=5
                ),
                "HEAD_EPOCHS": st.none() | st.booleans() | st.text(),
            },
            optional={"BATCH_SIZE": st.integers(1, 64)},
        )
    )
    def test_law_from_dict_of_to_dict(self, values):
        config = Config.from_dict(values)
        assert Config.from_dict(config.to_dict()).to_dict() == config.to_dict()

    def test_derived_values_stay_derived(self):
        config = ToyConfig.from_dict(ToyConfig().to_dict())
        config.IMAGES_PER_GPU, config.NUM_CLASSES = 8, 5
        assert (config.BATCH_SIZE, config.IMAGE_META_SIZE) == (8, 17)

    def test_from_dict_does_not_share_with_its_source(self):
        values = ToyConfig().to_dict()
        values["LOSS_WEIGHTS"]["mrcnn_mask_loss"] = 3.0
        config = ToyConfig.from_dict(values)
        config.LOSS_WEIGHTS["mrcnn_mask_loss"] = 5.0
        assert values["LOSS_WEIGHTS"]["mrcnn_mask_loss"] == 3.0

    def test_callable_becomes_its_name_and_stays_the_one_of_the_class(self):
        class Own(ToyConfig):
            BACKBONE = small_backbone
            COMPUTE_BACKBONE_SHAPE = small_shapes

        values = Own().to_dict()
        assert values["BACKBONE"] == "small_backbone"
        assert Own.from_dict(values).BACKBONE is small_backbone

    def test_methods_are_not_in_it_but_own_values_are(self):
        class Own(ToyConfig):
            note = "kept"

            def helper(self):
                return None

        values = Own().to_dict()
        assert values["note"] == "kept"
        assert not {"helper", "validate", "display", "to_dict"} & set(values)

    def test_values_json_does_not_know_become_text(self):
        config = ToyConfig()
        config.SOURCES = {"path", "other"}
        config.SIZES = {1: (np.float32(0.5), np.bool_(True))}
        values = config.to_dict()
        json.dumps(values)
        assert values["SIZES"] == {"1": [0.5, True]}

    def test_config_of_the_old_package_is_read(self, shared):
        values = json.loads((shared / "parity" / "config.json").read_text())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            config = Config.from_dict(values)
        assert config.NUM_CLASSES == 81
        assert config.IMAGE_SHAPE.tolist() == [512, 512, 3]
        config.validate()

    def test_not_a_dict_is_refused_by_name(self):
        with pytest.raises(TypeError, match=r"from_dict\(values\).*received list"):
            Config.from_dict([("NAME", "toy")])


class TestDisplay:
    def test_table_is_sorted_and_whole(self, capsys):
        config = ToyConfig()
        config.HEAD_EPOCHS = 20
        config.display()
        rows = capsys.readouterr().out.strip().splitlines()[1:]
        names = [row.split()[0] for row in rows]
        assert names == sorted(config.to_dict())
        assert any(row.split() == ["BATCH_SIZE", "2"] for row in rows)
