from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn.data import pixel_anchors
from mrcnn.engine.inspection import log, run_to
from mrcnn.geometry.coordinates import norm_boxes

NMS_NAMES = [
    "ROI/rpn_non_max_suppression:0",
    "ROI/rpn_non_max_suppression/NonMaxSuppressionV2:0",
    "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0",
]


def pictures(count=1):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, [48, 64, 3]).astype(np.uint8) for _ in range(count)]


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


def test_an_unknown_layer_is_an_error_that_lists_those_there_are(detector):
    inputs = [np.zeros([1, 64, 64, 3]), np.zeros([1, 15])]
    with pytest.raises(ValueError, match=r"res2z_out.*perhaps.*res2b_out.*ROI/keep"):
        run_to(detector.keras_model, [("x", "res2z_out")], inputs)


# The names of the old graph


def test_the_steps_to_the_proposals_have_their_old_names(detector):
    """The cells of the old notebook "inspect_model", one after the other."""
    pillar = detector.keras_model.get_layer("ROI").output
    nms_node = detector.ancestor(pillar, "ROI/rpn_non_max_suppression:0")
    assert nms_node is not None
    rpn = detector.run_graph(
        pictures(2),
        [
            ("rpn_class", detector.keras_model.get_layer("rpn_class").output),
            ("rpn_bbox", detector.keras_model.get_layer("rpn_bbox").output),
            ("pre_nms_anchors", detector.ancestor(pillar, "ROI/pre_nms_anchors:0")),
            ("refined_anchors", detector.ancestor(pillar, "ROI/refined_anchors:0")),
            (
                "refined_anchors_clipped",
                detector.ancestor(pillar, "ROI/refined_anchors_clipped:0"),
            ),
            ("post_nms_anchor_ix", nms_node),
            ("proposals", pillar),
        ],
    )
    # Anchors by falling score, as model.anchors are numbered.
    best = np.argsort(-rpn["rpn_class"][0, :, 1], kind="stable")[:60]
    anchors = norm_boxes(detector.anchors, (64, 64))[best]
    np.testing.assert_allclose(rpn["pre_nms_anchors"][0], anchors, atol=1e-6)
    assert rpn["refined_anchors"].shape == (2, 60, 4)
    clipped = rpn["refined_anchors_clipped"]
    np.testing.assert_allclose(clipped, np.clip(rpn["refined_anchors"], 0, 1))
    assert np.any(rpn["refined_anchors"] != clipped)
    # Of the first image, without an axis for images and without padding.
    ixs = rpn["post_nms_anchor_ix"]
    assert ixs.ndim == 1 and ixs.dtype == np.int32 and 0 < len(ixs) <= 20
    proposals = rpn["proposals"][0]
    np.testing.assert_array_equal(clipped[0, ixs], proposals[: len(ixs)])
    assert not proposals[len(ixs) :].any()


@pytest.mark.parametrize("name", NMS_NAMES)
def test_every_spelling_of_the_nms_node_is_known(detector, name):
    values = detector.run_graph(
        pictures(), [("ix", detector.ancestor(None, name)), ("same", name)]
    )
    np.testing.assert_array_equal(values["ix"], values["same"])
    assert values["ix"].ndim == 1


def test_names_of_operations_stand_for_the_output_of_their_layer(detector):
    names = ["mrcnn_class", "mrcnn_class/Reshape_1:0", "mrcnn_class:0"]
    values = detector.run_graph(
        pictures(), [(name, detector.ancestor(None, name)) for name in names]
    )
    assert values["mrcnn_class"].shape == (1, 20, 3)
    for name in names[1:]:
        np.testing.assert_array_equal(values[name], values["mrcnn_class"])


def test_an_unknown_step_is_an_error_that_lists_the_steps(detector):
    with pytest.raises(ValueError, match=r"ROI/nothing:0.*'ROI/refined_anchors'"):
        detector.ancestor(None, "ROI/nothing:0")
    with pytest.raises(ValueError, match=r"no layer 'RIO'.*'ROI'"):
        detector.ancestor(None, "RIO/refined_anchors:0")


def test_looking_up_names_leaves_the_model_as_it_is(detector):
    model = detector.keras_model
    before, config = [layer.name for layer in model.layers], model.get_config()
    detector.ancestor(None, NMS_NAMES[0])
    detector.ancestor(None, "rpn_conv_shared")
    assert [layer.name for layer in model.layers] == before
    assert model.get_config() == config


def test_the_anchors_were_an_input_once(detector):
    values = detector.run_graph(pictures(), [("anchors", "input_anchors")])
    np.testing.assert_allclose(
        values["anchors"][0], detector.get_anchors((64, 64, 3)), atol=1e-6
    )


def test_layers_inside_the_rpn_give_one_array_a_level(detector):
    model = detector.keras_model
    inner = model.get_layer("rpn_model").get_layer("rpn_class_xxx").output
    values = detector.run_graph(
        pictures(2),
        [("probs", inner), ("shared", "rpn_conv_shared"), ("all", "rpn_class")],
    )
    sides = [16, 8, 4, 2, 1]  # P2..P6 of 64 px
    assert [v.shape for v in values["shared"]] == [(2, n, n, 16) for n in sides]
    np.testing.assert_allclose(
        np.concatenate(values["probs"], axis=1), values["all"], atol=1e-6
    )


def test_the_rpn_itself_gives_its_three_outputs_a_level(detector):
    values = detector.run_graph(pictures(), [("rpn", "rpn_model")])["rpn"]
    assert [[v.shape[-1] for v in level] for level in values] == [[2, 2, 4]] * 5


def test_a_name_given_twice_is_an_error(detector):
    with pytest.raises(ValueError, match="'a' comes twice"):
        detector.run_graph(pictures(), [("a", "ROI"), ("a", "rpn_class")])


def test_a_node_that_was_not_found_is_an_error(detector):
    with pytest.raises(ValueError, match="'nms' is None"):
        detector.run_graph(pictures(), [("nms", None)])


def test_a_training_model_runs_as_far_as_images_go(training_graph):
    values = training_graph.run_graph(pictures(), [("rois", "ROI")])
    assert values["rois"].shape == (1, 20, 4)
    with pytest.raises(ValueError, match="ground truth"):
        training_graph.run_graph(pictures(), [("targets", "proposal_targets")])


def test_the_sampled_rois_have_their_old_name(training_graph):
    model = training_graph.keras_model
    targets = model.get_layer("proposal_targets").output
    assert training_graph.ancestor(None, "output_rois/mul:0") is targets[0]
    assert len(training_graph.ancestor(None, "proposal_targets")) == 4


def test_a_layer_used_twice_gives_both_outputs():
    x = keras.Input([3], name="input_image")
    double = keras.layers.Rescaling(2.0, name="double")
    model = keras.Model([x], double(double(x)))
    once, twice = run_to(model, [("out", "double")], [np.ones([1, 3])])["out"]
    np.testing.assert_array_equal(once, [[2, 2, 2]])
    np.testing.assert_array_equal(twice, [[4, 4, 4]])


def test_a_tensor_of_another_model_is_an_error(detector, training_graph):
    other = training_graph.keras_model.get_layer("fpn_p2").output
    with pytest.raises(ValueError, match="another model"):
        detector.run_graph(pictures(), [("p2", other)])


def test_pixel_anchors_are_those_of_get_anchors(detector):
    anchors = pixel_anchors(detector.config, (128, 64, 3))
    np.testing.assert_array_equal(
        norm_boxes(anchors, (128, 64)), detector.get_anchors((128, 64, 3))
    )
