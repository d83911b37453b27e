from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from mrcnn.engine.detection.molding import as_image, network_values
from mrcnn.engine.detection.tiling import detect_tiled
from tests.engine.tiny import make_config

SIZES = [(48, 64), (100, 40), (64, 64), (30, 200), (7, 5)]


def images_of(sizes=SIZES, channels=3):
    # Of nine seeds one has a near-tie, which batches of another size break otherwise.
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, [*size, channels]).astype(np.uint8) for size in sizes]


def assert_same_results(results, others, atol=0.0):
    assert len(results) == len(others)
    for result, other in zip(results, others, strict=True):
        assert result.keys() == other.keys()
        for key in ("rois", "class_ids"):
            np.testing.assert_array_equal(result[key], other[key])
        np.testing.assert_allclose(result["scores"], other["scores"], atol=atol)
        np.testing.assert_array_equal(result["masks"], other["masks"])


def test_results_have_the_documented_types_and_lie_in_the_image(detector):
    images = images_of()
    for image, result in zip(images, detector.detect(images), strict=True):
        count = len(result["rois"])
        assert set(result) == {"rois", "class_ids", "scores", "masks"}
        assert count > 0  # the fixture detects everywhere
        assert result["rois"].dtype == result["class_ids"].dtype == np.int32
        assert result["scores"].dtype == np.float32 and result["masks"].dtype == bool
        assert result["rois"].shape == (count, 4)
        assert result["class_ids"].shape == result["scores"].shape == (count,)
        assert result["masks"].shape == (*image.shape[:2], count)
        y1, x1, y2, x2 = result["rois"].T
        assert np.all((0 <= y1) & (y1 < y2) & (y2 <= image.shape[0]))
        assert np.all((0 <= x1) & (x1 < x2) & (x2 <= image.shape[1]))
        assert np.all((1 <= result["class_ids"]) & (result["class_ids"] <= 2))
        assert np.all(np.diff(result["scores"]) <= 0)


def test_no_images_give_no_results(detector):
    assert detector.detect([]) == []
    assert detector.detect(np.zeros([0, 48, 64, 3], np.uint8)) == []


def test_a_batch_of_any_sizes_equals_one_image_at_a_time(detector):
    images = images_of()  # batches of 2, 2 and 1
    singly = [detector.detect([image])[0] for image in images]
    assert_same_results(detector.detect(images), singly, atol=1e-5)


def test_batches_follow_the_batch_size_of_the_moment(detector, monkeypatch):
    sizes, run = [], detector._detector().run

    def noting(images, metas, **kwargs):
        sizes.append(len(images))
        return run(images, metas, **kwargs)

    monkeypatch.setattr(detector._detector(), "run", noting)
    detector.detect(images_of())
    monkeypatch.setattr(detector.config, "BATCH_SIZE", 4, raising=False)
    detector.detect(images_of())
    assert sizes == [2, 2, 1, 4, 1]


def test_images_that_keep_their_own_size_do_not_share_a_batch(detector, monkeypatch):
    monkeypatch.setattr(detector.config, "IMAGE_RESIZE_MODE", "pad64")
    monkeypatch.setattr(detector.config, "IMAGE_MIN_DIM", 0)
    images = images_of([(64, 64), (60, 50), (64, 128), (128, 64)])
    singly = [detector.detect([image])[0] for image in images]
    assert_same_results(detector.detect(images), singly, atol=1e-5)


def test_the_same_image_gives_the_same_result_again(detector):
    first = detector.detect(images_of())
    np.random.default_rng().random()
    assert_same_results(detector.detect(images_of()), first)


def test_a_crop_is_refused_for_what_it_leaves_out(detector, monkeypatch):
    monkeypatch.setattr(detector.config, "IMAGE_RESIZE_MODE", "crop")
    with pytest.raises(ValueError, match="pad64"):
        detector.detect(images_of([(200, 300)]))


def test_four_threads_at_once_equal_one_after_the_other(detector):
    lists = [images_of([size, (50, 50)]) for size in SIZES[:4]]
    serial = [detector.detect(images) for images in lists]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            together = list(pool.map(detector.detect, lists))
            for results, others in zip(together, serial, strict=True):
                assert_same_results(results, others)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_four_forms_of_masks_say_the_same(detector):
    images = images_of()
    forms = {
        form: detector.detect(images, masks=form) for form in ("crop", "rle", None)
    }
    for i, full in enumerate(detector.detect(images, masks="full")):
        for results in forms.values():
            for key in ("rois", "class_ids", "scores"):
                np.testing.assert_array_equal(results[i][key], full[key])
        assert forms[None][i]["masks"] is None
        assert 0 < full["masks"].mean() < 1
        crops, rles = forms["crop"][i]["masks"], forms["rle"][i]["masks"]
        assert len(crops) == len(rles) == full["masks"].shape[-1]
        for n, (y1, x1, y2, x2) in enumerate(full["rois"]):
            mask = full["masks"][..., n]
            assert crops[n].dtype == bool
            np.testing.assert_array_equal(crops[n], mask[y1:y2, x1:x2])
            assert crops[n].sum() == mask.sum()  # nothing outside the box
            assert tuple(rles[n]["size"]) == mask.shape
            np.testing.assert_array_equal(coco_mask.decode(rles[n]), mask)


def test_an_unknown_form_of_masks_is_an_error_also_without_images(detector):
    for images in (images_of(), []):
        with pytest.raises(ValueError, match=r"masks='polygon'.*'full'"):
            detector.detect(images, masks="polygon")


def test_nothing_found_gives_empty_arrays_in_every_form(detector, monkeypatch):
    monkeypatch.setattr(
        type(detector._detector()),
        "run",
        lambda self, images, metas, **options: (
            np.zeros([len(images), 6, 6], np.float32),
            np.zeros([len(images), 6, 28, 28], np.float32),
        ),
    )
    for form, masks in (("full", None), ("crop", []), ("rle", []), (None, None)):
        result = detector.detect(images_of([(50, 70)]), masks=form)[0]
        assert result["rois"].shape == (0, 4) and result["rois"].dtype == np.int32
        assert result["class_ids"].shape == result["scores"].shape == (0,)
        if form == "full":
            assert result["masks"].shape == (50, 70, 0)
        else:
            assert result["masks"] == masks


def test_grey_rgba_and_color_images_are_understood(detector):
    grey = images_of([(48, 64)], channels=1)[0]  # is not scaled
    color = np.repeat(grey, 3, axis=2)
    alpha = np.concatenate([color, np.full([48, 64, 1], 9, np.uint8)], axis=2)
    expected = detector.detect([color])
    for image in (grey, grey[..., 0], alpha, color.astype(np.float32)):
        assert_same_results(detector.detect([image]), expected)


def test_a_stack_of_images_is_a_list_of_images(detector):
    images = images_of([(50, 70)] * 3)
    assert_same_results(detector.detect(np.stack(images)), detector.detect(images))


def test_images_are_left_as_they_are(detector):
    images = images_of([(64, 64)])
    before = images[0].copy()
    images[0].setflags(write=False)
    detector.detect(images)
    np.testing.assert_array_equal(images[0], before)


def test_paths_are_read_with_their_rotation_applied(detector, tmp_path):
    seen = images_of([(40, 90)])[0]
    stored = np.rot90(seen)  # orientation 6: turn the file clockwise to see it
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(seen).save(tmp_path / "plain.png")
    expected = detector.detect([seen])
    assert expected[0]["masks"].shape[:2] == (40, 90)
    for path in (tmp_path / "turned.png", str(tmp_path / "plain.png")):
        assert_same_results(detector.detect([path]), expected)
    with pytest.raises(FileNotFoundError, match="absent.png"):
        detector.detect([tmp_path / "absent.png"])


@pytest.mark.parametrize("shape", [(50,), (50, 70, 2), (2, 50, 70, 3), (0, 70, 3)])
def test_other_shapes_are_an_error_that_names_them(detector, shape):
    with pytest.raises(ValueError, match=r"\[height, width, 3\]") as error:
        detector.detect([np.zeros(shape, np.uint8)])
    assert str(shape) in str(error.value)


def test_one_image_instead_of_a_list_is_an_error(detector, tmp_path):
    """Its rows would be taken for grey images, a path for a list of letters."""
    image = images_of([(50, 70)])[0]
    Image.fromarray(image).save(tmp_path / "a.png")
    for one in (image, image[..., 0], str(tmp_path / "a.png"), tmp_path / "a.png"):
        with pytest.raises(ValueError, match=r"detect\(images\).*list of images"):
            detector.detect(one)


def test_other_channel_counts_are_taken_as_they_are():
    image = images_of([(5, 6)], channels=5)[0]
    assert as_image(image, 5) is image
    grey = images_of([(5, 6)], channels=1)[0]
    np.testing.assert_array_equal(as_image(grey[..., 0], 1), grey)
    with pytest.raises(ValueError, match=r"\[height, width, 5\]"):
        as_image(grey, 5)


def test_palettes_are_looked_up_in_files_and_in_pillow_images(tmp_path):
    seen = np.zeros([48, 64, 3], np.uint8)
    seen[:, :20], seen[:, 20:40], seen[:, 40:] = (200, 30, 40), (10, 220, 30), 90
    palette = Image.fromarray(seen).quantize(3)
    assert np.asarray(palette).max() <= 2  # the numbers are no colors
    np.testing.assert_array_equal(np.asarray(palette.convert("RGB")), seen)
    palette.save(tmp_path / "palette.png")
    for image in (palette, tmp_path / "palette.png", Image.fromarray(seen)):
        np.testing.assert_array_equal(as_image(image, 3), seen)


PLAIN = np.full([4, 5, 3], 90.0)
UNUSUAL = [
    (PLAIN - 123.7, "below 0: molded already.*detect_molded"),
    (PLAIN / 255, "no value above 1.*by 255"),
    (PLAIN > 50, "bool with no value above 1"),
]


@pytest.mark.parametrize(("image", "words"), UNUSUAL)
def test_values_out_of_the_scale_of_the_mean_draw_a_warning(image, words):
    with pytest.warns(UserWarning, match=rf"images\[1\].*{words}"):
        network_values(image, make_config(), "images[1]")


def test_usual_values_draw_no_warning():
    zeros = np.zeros([4, 5, 3], np.float32)
    dark = np.ones([4, 5, 3], np.uint8)
    raw = [PLAIN, PLAIN.astype(np.float32), PLAIN.astype(np.int64), zeros, dark]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for image in raw:
            network_values(image, make_config(), "image")
        # Whoever trained on another scale said so by the mean.
        for mean in (np.zeros(3), np.full(3, 0.5), np.full(3, 3000.0), -np.ones(3)):
            for image, _ in UNUSUAL:
                network_values(image, make_config(MEAN_PIXEL=mean), "image")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_an_error(detector, value):
    images = [image.astype(np.float32) for image in images_of(SIZES[:2])]
    images[1][3, 4, 2] = value
    with pytest.raises(ValueError, match=r"images\[1\].*NaN"):
        detector.detect(images)


def test_a_molded_image_is_detected_as_given_with_a_warning(detector):
    molded, _, _ = detector.mold_inputs(images_of([(64, 64)]))
    before = molded.copy()
    for method in (detector.detect, detector.mold_inputs):
        with pytest.warns(UserWarning, match=r"images\[0\].*molded already"):
            result = method(list(molded))
    np.testing.assert_allclose(  # the mean is subtracted again, as asked
        result[0], before - np.float32(detector.config.MEAN_PIXEL), rtol=1e-5
    )


def test_images_of_several_molded_shapes_are_no_batch(detector, monkeypatch):
    monkeypatch.setattr(detector.config, "IMAGE_RESIZE_MODE", "none")
    images = images_of([(64, 64), (64, 128)])
    with pytest.raises(ValueError, match=r"mold_inputs.*\(64, 64, 3\).*\(64, 128, 3\)"):
        detector.mold_inputs(images)
    with pytest.raises(ValueError, match="at least one image"):
        detector.mold_inputs([])


def test_molding_says_where_the_pixels_are(detector):
    config = make_config()
    image = np.full([24, 64, 3], 200, np.uint8)  # needs no scaling
    molded, metas, windows = detector.mold_inputs([image])
    assert molded.shape == (1, 64, 64, 3) and molded.dtype == np.float32
    np.testing.assert_array_equal(windows, [[20, 0, 44, 64]])
    np.testing.assert_allclose(
        molded[0, 20:44], np.tile(200 - config.MEAN_PIXEL, (24, 64, 1)), rtol=1e-6
    )
    np.testing.assert_allclose(molded[0, 0, 0], -config.MEAN_PIXEL, rtol=1e-6)
    np.testing.assert_array_equal(
        metas[0, :12], [0, 24, 64, 3, 64, 64, 3, 20, 0, 44, 64, 1]
    )


# In tiles

LARGE = (130, 100)


def test_detect_in_tiles_is_the_merged_detections_of_the_tiles(detector):
    image, seen = images_of([LARGE])[0], []
    expected = detect_tiled(detector, image, 64, 16)
    (found,) = detector.detect(
        [image], masks="crop", tile=64, overlap=16, on_tiles=lambda *n: seen.append(n)
    )
    assert len(found["rois"]) > 1 and found.keys() == expected.keys()
    for key in ("rois", "class_ids", "scores", "full_tiles"):
        np.testing.assert_array_equal(found[key], expected[key])
    for mask, wanted in zip(found["masks"], expected["masks"], strict=True):
        np.testing.assert_array_equal(mask, wanted)
    assert seen[-1] == (6, 6)


def test_tiles_give_the_four_forms_of_masks(detector):
    image = images_of([LARGE])[0]
    forms = {
        form: detector.detect([image], masks=form, tile=64)[0]
        for form in ("full", "crop", "rle", None)
    }
    full = forms["full"]["masks"]
    assert full.dtype == bool and full.shape == (*LARGE, len(forms["full"]["rois"]))
    assert forms[None]["masks"] is None
    rows = zip(
        forms["full"]["rois"],
        forms["crop"]["masks"],
        forms["rle"]["masks"],
        strict=True,
    )
    for n, ((y1, x1, y2, x2), crop, rle) in enumerate(rows):
        mask = full[..., n]
        np.testing.assert_array_equal(crop, mask[y1:y2, x1:x2])
        assert crop.sum() == mask.sum()
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)


def test_with_tiles_one_image_or_its_path_needs_no_list(detector, tmp_path, capsys):
    image = images_of([LARGE])[0]
    Image.fromarray(image).save(tmp_path / "large.png")
    expected = detector.detect([image, image], tile=64)
    assert len(expected) == 2
    assert_same_results(detector.detect(image, tile=64), expected[:1])
    found = detector.detect(tmp_path / "large.png", tile=64, verbose=1)
    assert_same_results(found, expected[:1])
    assert f"1 images, {len(found[0]['rois'])} detections" in capsys.readouterr().out
    assert detector.detect([], tile=64) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tile": 64, "overlap": 33}, "half of a side"),
        ({"tile": 64, "masks": "polygon"}, "masks='polygon'"),
        ({"overlap": 16}, "pass tile=512"),
    ],
)
def test_impossible_tiles_are_an_error(detector, options, text):
    with pytest.raises(ValueError, match=text):
        detector.detect(images_of([LARGE]), **options)
