"""Real inputs that were once read wrongly, each with its right values.

The folders lie in cases/ of the shared data folder, each with a right.json that says
what is right and how that was found without this project.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.io
from PIL import Image

from mrcnn.cli.main import main
from mrcnn.data import open_dataset
from mrcnn.evaluation import dataset_records, evaluate_detections


@pytest.fixture
def copy(shared, tmp_path, monkeypatch):
    """Copies a case, runs its make.py if it has one: the input and what is right."""

    def copy(name):
        source, folder = shared / "cases" / name, tmp_path / name
        skip = shutil.ignore_patterns("right.json", "make.py")
        shutil.copytree(source, folder, ignore=skip)
        right = json.loads((source / "right.json").read_text(encoding="utf-8"))
        monkeypatch.chdir(folder)
        if (source / "make.py").exists():
            runpy.run_path(str(source / "make.py"))
        return folder, right

    return copy


def open_quietly(folder, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_dataset(folder, verbose=0, **kwargs)


def areas(dataset, image_id=0):
    return sorted(dataset.load_mask(image_id)[0].sum((0, 1)).tolist())


def class_names(dataset):
    return [info["name"] for info in dataset.class_info[1:]]


def test_every_case_has_a_test(shared):
    names = {p.parent.name for p in (shared / "cases").glob("*/right.json")}
    text = Path(__file__).read_text(encoding="utf-8")
    assert names == set(re.findall(r'"(\d\d\w?_[\w-]+)"', text))


def test_coco_json_of_via_is_read(copy):
    folder, right = copy("01_via_coco_export")
    dataset = open_quietly(folder)
    assert class_names(dataset) == right["classes"]
    assert len(areas(dataset)) == right["objects"]
    # Half-open pixels: a box of VIA's corners is drawn without its last row and column.
    expected = sorted(right["areas_by_shapely"])
    np.testing.assert_allclose(areas(dataset), expected, rtol=0.02)


def test_iscrowd_as_text_is_a_flag(copy):
    folder, right = copy("02_iscrowd_text")
    dataset = open_quietly(folder)
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == right["class_ids"]  # a crowd's would be negative
    assert masks.sum() == right["area"]


def detect(folder, output, *more):
    """Runs `mrcnn detect` with the bundled model; returns the objects of each file."""
    call = ["detect", folder, "--weights", "nucleus", "--output", output, "--quiet"]
    main([str(each) for each in [*call, "--save", "json", *more]])
    (found,) = Path(output).rglob("detections.json")
    found = json.loads(found.read_text(encoding="utf-8"))
    counts = {image["id"]: 0 for image in found["images"]}
    for annotation in found["annotations"]:
        counts[annotation["image_id"]] += 1
    return {Path(i["file_name"]).name: counts[i["id"]] for i in found["images"]}


def test_one_large_picture_does_not_end_the_job(copy):
    folder, _ = copy("03_large_picture")
    assert "b_small.png" in detect(folder, folder.parent / "out")


@pytest.mark.slow
def test_a_picture_of_182_megapixels_is_detected_in_tiles(copy):
    folder, _ = copy("03_large_picture")
    found = detect(folder, folder.parent / "out", "--tile", "512")
    assert found.keys() == {"a_big.png", "b_small.png"}


def test_16_and_12_bits_give_the_count_of_8_bits(copy):
    folder, right = copy("04_12_bit_in_16")
    found = detect(folder, folder.parent / "out")
    assert found == {
        "a_8bit.png": right["nuclei_8bit"],
        "a_16bit.tif": right["nuclei_16bit"],
        "a_12bit.tif": right["nuclei_12bit"],
    }


def test_a_stack_of_masks_is_an_object_a_page_or_refused(copy):
    folder, right = copy("05_tiff_stack_of_masks")
    dataset = open_quietly(folder)
    try:
        assert areas(dataset) == right["areas"]
    except ValueError as error:
        assert "all.tif" in str(error)


def test_a_soft_mask_is_no_label_image(copy):
    folder, _ = copy("06_soft_mask_as_label_image")
    try:
        dataset = open_quietly(folder)
        assert len(areas(dataset)) == 3
    except ValueError as error:
        assert "a.png" in str(error)


@pytest.mark.parametrize("name", ["07_palette_white_first", "07d_imagej_inverting_lut"])
def test_objects_are_where_the_annotator_saw_them(copy, name):
    folder, right = copy(name)
    assert areas(open_quietly(folder)) == [right["area"]]


def test_black_on_white_is_warned_of(copy):
    folder, _ = copy("07c_black_on_white")
    (warning,) = [
        p for p in open_quietly(folder).validate().warnings if p.instance == 0
    ]
    assert "96 %" in warning.text


def test_outlines_of_via_lie_on_the_picture_as_a_browser_turns_it(copy):
    folder, right = copy("08_via_phone_photo")
    dataset = open_quietly(folder)
    image, (masks, _) = dataset.load_image(0), dataset.load_mask(0)
    assert list(image.shape[:2]) == right["size"]
    assert masks.sum() == right["area"]
    assert (
        round(image[masks[..., 0]].mean()) == right["mean_of_picture_inside_the_mask"]
    )


@pytest.mark.parametrize("name", ["09_bbox_xyxy", "09b_area_negative"])
def test_a_wrong_box_or_area_does_not_go_into_the_evaluation(copy, name):
    folder, _ = copy(name)
    dataset = open_quietly(folder)
    if not dataset.validate().ok:
        return
    mask, class_ids = dataset.load_mask(0)
    perfect = {
        "rois": np.array([[10, 10, 40, 30]]),
        "class_ids": class_ids,
        "scores": np.array([0.9], np.float32),
        "masks": mask,
    }
    model = SimpleNamespace(detect=lambda images, masks: [perfect])
    records = dataset_records(model, dataset)
    assert evaluate_detections(records)["bbox"]["AP"] == 1.0


@pytest.mark.parametrize("name", ["10_backslash", "10c_url"])
def test_file_names_of_windows_and_label_studio_are_found(copy, name):
    folder, right = copy(name)
    dataset = open_quietly(folder)
    path = Path(dataset.image_info[0]["path"])
    assert path.is_file() and path == folder / right["picture"]


def test_colors_of_voc_are_labels(copy):
    folder, right = copy("11_cvat_voc_colors")
    assert areas(open_quietly(folder)) == right["areas"]


def test_xml_of_cvat_is_read_or_named(copy):
    folder, right = copy("11c_cvat_images_xml")
    try:
        assert areas(open_quietly(folder)) == [right["area"]]
    except ValueError as error:
        assert "CVAT" in str(error) and "COCO" in str(error)


def test_turned_boxes_of_cvat_are_turned(copy):
    folder, right = copy("12_cvat_rotated_box")
    mask, _ = open_quietly(folder, boxes_as_masks=True).load_mask(0)
    assert mask.sum() == pytest.approx(right["area"], abs=15)
    ys, xs = np.nonzero(mask[..., 0])
    x, y = np.transpose(right["corners_xy"])
    corners = [y.min(), x.min(), y.max(), x.max()]
    box = [ys.min(), xs.min(), ys.max() + 1, xs.max() + 1]
    np.testing.assert_allclose(box, corners, atol=1)


def test_ignored_shapes_of_labelme_are_no_objects(copy):
    folder, right = copy("13_labelme_ignore")
    dataset = open_quietly(folder)
    assert class_names(dataset) == right["classes"]
    assert len(areas(dataset)) == right["objects"]


@pytest.mark.parametrize("name", ["15_cp1252", "15_utf-16"])
def test_other_encodings_are_read_or_named(copy, name):
    folder, right = copy(name)
    try:
        assert class_names(open_quietly(folder)) == [right["label"]]
    except ValueError as error:
        assert "a.json" in str(error) and "UTF-8" in str(error)


def test_numbers_of_via_may_be_texts(copy):
    folder, right = copy("16_via_rect_of_texts")
    assert areas(open_quietly(folder)) == [right["area"]]


def test_an_empty_ring_gives_way_to_the_box(copy):
    folder, right = copy("18_empty_ring_beside_bbox")
    assert areas(open_quietly(folder, boxes_as_masks=True)) == [right["area"]]


def test_a_box_of_voc_without_numbers_names_its_file(copy):
    folder, _ = copy("20_voc_nan")
    Image.new("RGB", (96, 64)).save(folder / "JPEGImages" / "b.jpg")
    text = (folder / "Annotations" / "a.xml").read_text().replace("nan", "10")
    (folder / "Annotations" / "b.xml").write_text(text)
    dataset = open_quietly(folder, boxes_as_masks=True)
    sums = {}
    for image_id in dataset.image_ids:
        name = Path(dataset.image_info[image_id]["path"]).name
        try:
            sums[name] = areas(dataset, image_id)
        except ValueError as error:
            assert "a.xml" in str(error)
    assert sums == {"b.jpg": [21 * 21]}  # VOC's pixels count from 1, the last included
    assert any("a.xml" in str(problem) for problem in dataset.validate().errors)


def test_a_json_of_labelme_above_32_mb_opens(copy):
    folder, _ = copy("21_labelme_json_over_32_MB")
    (area,) = areas(open_quietly(folder))
    assert area == pytest.approx(2010617, rel=1e-3)


def test_16_bits_are_shown_as_8_bits_are(copy):
    folder, _ = copy("22_display_of_16_bit")
    shown = [skimage.io.imread(folder / f"{bits}.png")[..., :3] for bits in (8, 16)]
    assert abs(shown[0].astype(float) - shown[1]).mean() < 2
