from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.files.mask_values import voc_colors
from mrcnn.data.formats.label_images import LabelImageDataset, pair_label_images
from tests.fuzz.pictures import claim_size

LABELS = np.zeros([8, 10], np.uint8)
LABELS[1:3, 1:4] = 1
LABELS[1:3, 4:6] = 7  # touches 1
LABELS[6:, 8:] = 255


def save(path, array=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros([8, 10, 3], np.uint8) if array is None else array
    Image.fromarray(array).save(path)


def load(folder, *args, **kwargs):
    dataset = LabelImageDataset()
    dataset.load_label_images(folder, *args, **kwargs)
    dataset.prepare()
    return dataset


@pytest.mark.parametrize(
    ("array", "suffix"),
    [
        (LABELS, "png"),
        (LABELS.astype(np.uint16) * 256, "png"),
        (LABELS.astype(np.uint16) * 256, "tif"),
        (LABELS.astype(np.int32) * 1000, "tif"),
    ],
    ids=["uint8", "uint16", "uint16-tif", "int32-tif"],
)
def test_each_value_is_an_object(tmp_path, array, suffix):
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "labels" / f"a.{suffix}", array)
    masks, class_ids = load(tmp_path).load_mask(0)
    assert class_ids.tolist() == [1, 1, 1]
    for i, value in enumerate((1, 7, 255)):
        np.testing.assert_array_equal(masks[..., i], LABELS == value)


def test_palette_counts_by_index(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    labels = Image.fromarray(LABELS)
    labels.putpalette([9] * 768)  # all of one color
    (tmp_path / "labels").mkdir()
    labels.save(tmp_path / "labels" / "a.png")
    assert load(tmp_path).load_mask(0)[0].sum(axis=(0, 1)).tolist() == [6, 4, 4]


def test_label_images_in_color_are_refused_when_loaded(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    color = np.stack([LABELS, LABELS * 0, LABELS * 0], axis=-1)
    save(tmp_path / "labels" / "a.png", color)
    with pytest.raises(ValueError, match=r"a\.png.*1 of 1 .* numbers the colors"):
        load(tmp_path)
    save(tmp_path / "labels" / "a.png", np.repeat(LABELS[..., None], 3, axis=-1))
    assert load(tmp_path).load_mask(0)[0].shape == (8, 10, 3)  # grey, saved in color


def test_names_are_one_whether_their_accents_are_composed_or_not(tmp_path):
    save(tmp_path / "images" / "zell\u00e9.jpg")
    save(tmp_path / "labels" / "zelle\u0301.png", LABELS)
    assert load(tmp_path).load_mask(0)[1].tolist() == [1, 1, 1]


def test_one_of_two_files_of_a_name_is_told(tmp_path):
    for path in ("images/a.jpg", "images/a.png", "labels/a.png", "labels/a.tif"):
        save(tmp_path / path, LABELS)
    with pytest.warns(UserWarning, match=r"no partner of their own, a\.jpg, a\.png, "):
        dataset = load(tmp_path)
    assert dataset.num_images == 1


def test_values_to_ignore_are_no_objects(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "labels" / "a.png", LABELS)
    dataset = load(tmp_path, ignore=[255], class_name="cell")
    assert dataset.load_mask(0)[0].shape == (8, 10, 2)
    assert dataset.count_annotations().objects.tolist() == [0, 2]
    assert dataset.class_names == ["BG", "cell"]


def test_label_image_of_zeros_is_an_image_without_objects(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "labels" / "a.png", LABELS * 0)
    assert load(tmp_path).load_mask(0)[0].shape == (8, 10, 0)


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/a.jpg", "labels/a.png"),
        ("images/a.png", "masks/a.tif"),
        ("images/a.jpg", "masks/a_mask.png"),
        ("a.jpg", "a.png"),
        ("a.jpg", "a_labels.png"),
        ("a.png", "a_mask.png"),
    ],
)
def test_layouts_that_people_use(tmp_path, image, label):
    save(tmp_path / image)
    save(tmp_path / label, LABELS)
    pairs, alone = pair_label_images(tmp_path)
    assert pairs == [(tmp_path / image, tmp_path / label)]
    assert alone == []
    assert load(tmp_path).load_mask(0)[0].shape[-1] == 3


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("val/images/a.jpg", "val/labels/a.png"),
        ("images/val/a.jpg", "labels/val/a.png"),
        ("val/a.jpg", "val/a.png"),
    ],
)
def test_subset_lies_above_or_below(tmp_path, image, label):
    save(tmp_path / image)
    save(tmp_path / label, LABELS)
    dataset = load(tmp_path, "val")
    assert dataset.image_info[0]["id"] == "val/a"
    assert dataset.image_info[0]["path"] == str(tmp_path / image)


def test_files_without_partner_are_told(tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "images" / f"{name}.jpg")
    for name in ("a", "c"):
        save(tmp_path / "labels" / f"{name}.png", LABELS)
    with pytest.warns(UserWarning, match=r"2 files have no partner .*b.jpg"):
        dataset = load(tmp_path)
    assert dataset.num_images == 1


def test_two_photographs_of_one_name_are_no_pair(tmp_path):
    save(tmp_path / "a.jpg")
    save(tmp_path / "a.png")  # in color
    assert pair_label_images(tmp_path) == ([], [])
    with pytest.raises(FileNotFoundError, match="expected images/7.jpg with labels"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        load(tmp_path / "nope")


def test_label_image_in_color_is_refused_with_its_name(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    colors = np.stack([LABELS, LABELS * 0, LABELS], axis=-1)
    save(tmp_path / "labels" / "a.png", colors)
    with pytest.raises(ValueError, match=r"a.png.*labels are whole numbers"):
        load(tmp_path).load_mask(0)


def test_label_images_are_read_only_when_asked(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.png").write_bytes(b"broken")
    dataset = load(tmp_path)
    with pytest.raises(OSError, match=r"a.png"):
        dataset.load_mask(0)


def test_mask_with_soft_edges_is_no_label_image_unless_separated(tmp_path):
    soft = np.where(LABELS, 255, 0).astype(np.uint8)
    big = Image.fromarray(soft).resize((80, 64), Image.Resampling.BILINEAR)
    save(tmp_path / "images" / "a.png", np.zeros([64, 80, 3], np.uint8))
    save(tmp_path / "images" / "b.png", np.ones([64, 80, 3], np.uint8))
    save(tmp_path / "masks" / "a.png", np.asarray(big))
    save(tmp_path / "masks" / "b.png", np.kron(LABELS, np.ones([8, 8], np.uint8)))
    dataset = load(tmp_path)  # one damaged file does not stop the others
    assert dataset.load_mask(1)[0].shape == (64, 80, 3)
    with pytest.raises(ValueError, match=r"masks.a\.png.*no labels.*separate=True"):
        dataset.load_mask(0)
    (problem,) = dataset.validate().errors
    assert problem.kind == "unreadable masks" and problem.path.endswith("a.png")
    separate = load(tmp_path, separate=True)
    masks, _ = separate.load_mask(0)
    # 1 and 7 touch.
    np.testing.assert_array_equal(masks.any(axis=-1), np.asarray(big) > 127)
    assert masks.shape[-1] == 2 and masks[:24, :, 0].any() and masks[40:, :, 1].any()
    assert separate.load_mask(1)[0].shape == (64, 80, 3)
    assert not separate.validate().errors


def test_parts_of_a_class_map_are_objects_if_asked_for(tmp_path):
    classes = np.where(LABELS == 7, 255, LABELS)
    classes[4, 2] = 1
    classes[5, 3] = 1  # touches by a corner
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "labels" / "a.png", classes)
    masks = load(tmp_path, separate=True).load_mask(0)[0]
    assert sorted(masks.sum(axis=(0, 1))) == [2, 4, 4, 6]
    masks = load(tmp_path, separate=True, ignore=[255]).load_mask(0)[0]
    assert sorted(masks.sum(axis=(0, 1))) == [2, 6]
    # Colors too, which are no label image.
    colors = np.stack([classes, classes, 255 * (classes == 1)], axis=-1)
    save(tmp_path / "labels" / "a.png", colors.astype(np.uint8))
    masks = load(tmp_path, separate=True).load_mask(0)[0]
    assert sorted(masks.sum(axis=(0, 1))) == [2, 4, 4, 6]


def test_stack_of_label_images_is_refused(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels").mkdir()
    pages = [Image.fromarray(LABELS), Image.fromarray(LABELS)]
    options = {"save_all": True, "append_images": pages[1:]}
    pages[0].save(tmp_path / "labels" / "a.tif", **options)
    with pytest.raises(ValueError, match=r"a\.tif.*stack of 2 pages; save each as"):
        load(tmp_path).load_mask(0)


def test_label_image_of_voc_colors_is_read_by_their_numbers(tmp_path):
    save(tmp_path / "images" / "a.jpg")
    save(tmp_path / "labels" / "a.png", voc_colors()[LABELS])
    masks, _ = load(tmp_path, ignore=[255]).load_mask(0)
    np.testing.assert_array_equal(masks[..., 1], LABELS == 7)
    assert masks.shape[-1] == 2


def test_label_image_that_claims_to_be_huge_is_a_line_of_the_report(tmp_path):
    save(tmp_path / "images" / "a.png")
    save(tmp_path / "labels" / "a.png", LABELS)
    save(tmp_path / "images" / "b.png")
    save(tmp_path / "labels" / "b.png", LABELS)
    path = tmp_path / "labels" / "b.png"
    path.write_bytes(claim_size(path.read_bytes(), 2**31 - 1, 2**31 - 1))
    problems = load(tmp_path).validate().errors
    assert problems and all("b.png" in str(problem) for problem in problems)
