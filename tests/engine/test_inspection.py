from __future__ import annotations

import numpy as np
import pytest

from mrcnn.engine.inspection import log, run_to


def test_log_prints_shape_range_and_type(capsys):
    log("image", np.array([[1, 2, 3]], np.uint8))
    words = capsys.readouterr().out.split()
    assert words == "image shape: (1, 3) min: 1.00000 max: 3.00000 uint8".split()


def test_log_of_an_empty_array_and_of_text_alone(capsys):
    log("boxes", np.zeros([0, 4], np.int32))
    assert (
        capsys.readouterr().out.split() == "boxes shape: (0, 4) min: max: int32".split()
    )
    log("done")
    assert capsys.readouterr().out == "done\n"


def test_run_graph_gives_tensors_and_layers_by_name(detector, capsys):
    image = np.random.default_rng(0).integers(0, 256, [48, 64, 3]).astype(np.uint8)
    model = detector.keras_model
    values = detector.run_graph(
        [image],
        [
            ("found", model.get_layer("mrcnn_detection").output),
            ("rois", "ROI"),
            ("early", "res2b_out"),
            ("seen", model.get_layer("input_image").output),
        ],
    )
    assert list(values) == ["found", "rois", "early", "seen"]
    assert values["found"].shape == (1, 6, 6)
    assert values["rois"].shape == (1, 20, 4)
    assert values["early"].shape == (1, 16, 16, 8)
    molded, metas, _ = detector.mold_inputs([image])
    np.testing.assert_array_equal(values["seen"], molded)
    assert "found" in capsys.readouterr().out

    again = detector.run_graph(molded, [("found", "mrcnn_detection")], metas)
    np.testing.assert_allclose(again["found"], values["found"], atol=1e-5)
    in_detect = detector._detector().run(molded, metas)[0]
    np.testing.assert_allclose(values["found"], in_detect, atol=1e-5)


def test_an_unknown_layer_is_an_error(detector):
    inputs = [np.zeros([1, 64, 64, 3]), np.zeros([1, 15])]
    with pytest.raises(ValueError, match="res9z_out"):
        run_to(detector.keras_model, [("x", "res9z_out")], inputs)
