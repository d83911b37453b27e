"""The shapes sample without training."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 96, 128  # not square


@pytest.fixture(scope="module")
def make(shapes):
    def make(count, seed=0, height=HEIGHT, width=WIDTH):
        dataset = shapes.ShapesDataset()
        dataset.load_shapes(count, height, width, seed)
        dataset.prepare()
        return dataset

    return make


@pytest.fixture(scope="module")
def dataset(make):
    return make(60)


def test_a_picture_depends_on_seed_and_number_only(make):
    few, many, other = make(3), make(20), make(3, seed=1)
    for i in (2, 0, 1):  # in any order
        np.testing.assert_array_equal(few.load_image(i), many.load_image(i))
        np.testing.assert_array_equal(few.load_mask(i)[0], many.load_mask(i)[0])
        assert not np.array_equal(few.load_image(i), other.load_image(i))
    np.testing.assert_array_equal(few.load_image(0), few.load_image(0))
    assert not np.array_equal(few.load_image(0), few.load_image(1))


def test_the_global_random_state_is_left_alone(make):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the state in question
    make(5).load_image(3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_images_and_masks_have_the_forms_of_a_data_set(dataset):
    for i in dataset.image_ids:
        image, (masks, class_ids) = dataset.load_image(i), dataset.load_mask(i)
        assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
        assert masks.shape == (HEIGHT, WIDTH, len(class_ids)) and masks.dtype == bool
        assert class_ids.dtype == np.int32
        assert 1 <= len(class_ids) <= 4
        assert masks.sum(axis=2).max() == 1  # a pixel belongs to one shape


def test_masks_hold_the_pixels_of_the_color_of_their_shape(dataset):
    for i in dataset.image_ids:
        image, (masks, _) = dataset.load_image(i), dataset.load_mask(i)
        for k, (_, color, _) in enumerate(dataset.image_info[i]["shapes"]):
            same = (image == color).all(axis=2)
            np.testing.assert_array_equal(same, masks[:, :, k])


def test_later_shapes_cover_earlier_ones_but_never_hide_them(dataset, shapes):
    covered = 0
    for i in dataset.image_ids:
        masks, _ = dataset.load_mask(i)
        for k, (shape, _, dims) in enumerate(dataset.image_info[i]["shapes"]):
            full = shapes.shape_mask(shape, dims, (HEIGHT, WIDTH))
            visible = masks[:, :, k].sum() / full.sum()
            assert visible >= shapes.MIN_VISIBLE
            covered += visible < 1
    assert covered >= 5  # occlusion does happen


def test_a_hidden_shape_is_refused(shapes):
    small, large = ("circle", (40, 40, 10)), ("square", (40, 40, 30))
    assert shapes.fits([large], (HEIGHT, WIDTH))
    assert not shapes.fits([small, large], (HEIGHT, WIDTH))
    # The boxes overlap too much, though half of the lower one can be seen.
    beside = ("square", (60, 40, 30))
    assert not shapes.fits([large, beside], (HEIGHT, WIDTH))


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("square", 21 * 21),
        ("circle", np.pi * 10.5**2),
        ("triangle", 21 * 21 / 2),
    ],
)
def test_shapes_have_their_area_and_place(shapes, shape, area):
    mask = shapes.shape_mask(shape, (30, 20, 10), (HEIGHT, WIDTH))
    assert mask.sum() == pytest.approx(area, rel=0.1)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (10, 30, 20, 40)


def test_unknown_shapes_are_an_error(shapes):
    with pytest.raises(ValueError, match="hexagon"):
        shapes.shape_mask("hexagon", (5, 5, 2), (10, 10))


def test_all_classes_are_drawn(dataset):
    assert dataset.class_names == ["BG", "square", "circle", "triangle"]
    drawn = np.concatenate([dataset.load_mask(i)[1] for i in dataset.image_ids])
    assert set(drawn) == {1, 2, 3}
    for i in dataset.image_ids[:5]:
        names = [dataset.class_names[k] for k in dataset.load_mask(i)[1]]
        assert names == [shape for shape, _, _ in dataset.image_info[i]["shapes"]]


def test_reference_tells_what_and_where_from(dataset):
    reference = dataset.image_reference(7)
    assert "seed 0" in reference and "number 7" in reference
    assert dataset.image_info[7]["shapes"][0][0] in reference


def test_configs_fit_the_data(shapes):
    for config in (shapes.ShapesConfig(), shapes.ShapesInferenceConfig()):
        config.validate(num_dataset_classes=4)
    assert shapes.ShapesConfig().BATCH_SIZE == 8


def test_train_draws_training_and_validation_apart(shapes, straw, tmp_path, capsys):
    arguments = ["train", "--seed", "3", "--epochs", "2", "--logs", str(tmp_path)]
    assert shapes.main(arguments) == 0
    ((train, val), options) = straw[0].trained[0]
    assert train.image_info[0]["seed"] != val.image_info[0]["seed"]
    assert options["epochs"] == 2 and options["layers"] == "all"
    assert straw[0].config.SEED == 3
    assert str(tmp_path) in capsys.readouterr().out


class KnowingModel:
    """Takes the place of make_model: its models know the unseen images."""

    def __init__(self, shapes, straw):
        self.shapes, self.straw = shapes, straw

    def __call__(self, mode, config, logs):
        from mrcnn.model import MaskRCNN

        model = MaskRCNN(mode, config, logs)
        unseen = self.shapes.UNSEEN_SEED
        model.learn(self.shapes.make_dataset(8, config, unseen))
        return model


@pytest.mark.parametrize(
    ("flags", "loaded"), [([], []), (["--weights", "last"], [("last", {})])]
)
def test_train_starts_from_scratch_unless_weights_are_named(
    shapes, straw, tmp_path, flags, loaded
):
    shapes.main(["train", "--logs", str(tmp_path), *flags])
    assert straw[0].loaded == loaded
    assert straw[0].trained[0][1]["epochs"] == 10


def test_evaluate_prints_ap(shapes, straw, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(shapes, "make_model", KnowingModel(shapes, straw))
    weights = tmp_path / "mine.h5"
    weights.touch()
    shapes.main(["evaluate", "--count", "8", "--weights", str(weights)])
    assert straw[0].loaded == [(str(weights), {})]
    out = capsys.readouterr().out
    assert "8 unseen images" in out
    assert "boxes   1.000  1.000  1.000" in out and "masks   1.000" in out


def test_demo_writes_a_picture_of_unseen_images(
    shapes, straw, monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(shapes, "make_model", KnowingModel(shapes, straw))
    output = tmp_path / "demo.png"
    flags = ["--count", "8", "--minutes", "3", "--output", str(output)]
    assert shapes.main(["demo", *flags]) == 0
    trainer, model = straw
    (_, options) = trainer.trained[0]
    assert [clock.minutes for clock in options["custom_callbacks"]] == [3]
    assert model.loaded == [("last.h5", {})]
    assert Image.open(output).width > 1000
    out = capsys.readouterr().out
    assert "masks   1.000" in out and str(output) in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required"),
        (["evaluate", "--weights", "nowhere.h5"], "nowhere.h5: no such file"),
        (["evaluate", "--weights", "none"], "needs a trained network"),
        (["evaluate", "--weights", "coco"], "doesn't fit"),
        (["train", "--weights", "imagenet"], "doesn't fit"),
        (["demo", "--output", "nowhere/a.png"], "nowhere"),
        (["demo", "--minutes", "0"], "more than 0"),
    ],
)
def test_wrong_arguments_end_before_any_work(shapes, straw, capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        shapes.main(arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert straw == []
