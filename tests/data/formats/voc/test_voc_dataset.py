from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.voc.voc_dataset import (
    VOC_CLASSES,
    VocDataset,
    find_voc_folders,
    voc_subsets,
)

OBJECT = """
<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>3</xmin><ymin>2</ymin><xmax>6</xmax><ymax>4</ymax></bndbox></object>"""


def add_image(root, image_id, names, labels=None, classes=None, difficult=0):
    """Writes an xml file of 8 x 10 px and, given labels, its mask."""
    for folder in ("Annotations", "JPEGImages", "SegmentationObject"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    objects = "".join(OBJECT.format(name=n, difficult=difficult) for n in names)
    (root / "Annotations" / f"{image_id}.xml").write_text(
        "<annotation><size><width>10</width><height>8</height><depth>3</depth></size>"
        f"{objects}</annotation>"
    )
    Image.new("RGB", (10, 8)).save(root / "JPEGImages" / f"{image_id}.jpg")
    for folder, array in {"Object": labels, "Class": classes}.items():
        if array is not None:
            place = root / f"Segmentation{folder}"
            place.mkdir(exist_ok=True)
            Image.fromarray(array.astype(np.uint8), "L").save(place / f"{image_id}.png")


def add_list(root, name, lines, kind="Segmentation"):
    folder = root / "ImageSets" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def load(root, *args, **kwargs):
    dataset = VocDataset()
    dataset.load_voc(root, *args, **kwargs)
    dataset.prepare()
    return dataset


def test_flag_that_is_a_word_does_not_stop_the_load(tmp_path):
    add_image(tmp_path, "a", ["cat"], difficult="Unspecified")
    with pytest.warns(UserWarning, match="1 flags .* <difficult>Unspecified"):
        dataset = load(tmp_path, boxes_as_masks=True)
    (annotation,) = dataset.load_annotations(0)
    assert "difficult" not in annotation.extra


def test_lists_of_file_names_paths_and_other_accents_are_read(tmp_path):
    ids = ["a", "zell\u00e9", "my b", "v1.5"]
    for image_id in ids:
        add_image(tmp_path, image_id, ["cat"], np.ones([8, 10]))
    listed = ["JPEGImages/a.jpg  1", "zelle\u0301", "my b", "v1.5"]
    add_list(tmp_path, "train", listed)
    dataset = load(tmp_path, "train")
    assert [info["id"] for info in dataset.image_info] == ids


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<xmin>3<", "<xmin>nan<", r"xmin is 'nan'"),
        ("<xmin>3<", "<xmin>-inf<", r"xmin is '-inf'"),
        ("<xmin>3<", "<xmin>9e99<", r"9e\+99"),
        ("</bndbox>", "", "mismatched tag"),
        ("<width>10<", "<width>inf<", "width is 'inf'"),
        ("<bndbox>", "<box>", "mismatched tag"),
        ("<name>cat</name>", "", "has no <name>"),
    ],
)
def test_damaged_xml_file_does_not_stop_the_others(tmp_path, old, new, reason):
    for image_id in ("a", "b"):
        add_image(tmp_path, image_id, ["cat"])
    path = tmp_path / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.warns(UserWarning, match=rf"(a\.xml|'a').*{reason}.*damaged outlines"):
        dataset = load(tmp_path, boxes_as_masks=True)
    with pytest.raises(ValueError, match=reason):
        dataset.load_mask(0)
    assert dataset.load_mask(1)[0].sum() == 3 * 4
    assert [problem.image_id for problem in dataset.validate().errors] == [0]


def test_box_that_cannot_be_read_is_left_out_where_masks_are_used(tmp_path):
    add_image(tmp_path, "a", ["cat"], LABELS)
    path = tmp_path / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("<xmin>3<", "<xmin>nan<"))
    with pytest.warns(UserWarning, match=r"1 boxes .* left out: .*a\.xml.*'nan'"):
        dataset = load(tmp_path)
    assert "box" not in dataset.load_annotations(0)[0].extra
    assert dataset.load_mask(0)[0][..., 0].sum() == 9


def test_folder_of_damaged_files_alone_is_an_error(tmp_path):
    add_image(tmp_path, "a", ["cat"])
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation>")
    with pytest.raises(ValueError, match=r"a\.xml'\): no VOC annotation"):
        load(tmp_path, boxes_as_masks=True)


def test_image_is_found_by_the_name_in_the_file_or_in_other_letters(tmp_path):
    for image_id in ("a", "cafe\u0301"):
        add_image(tmp_path, image_id, ["cat"], LABELS)
    xml = tmp_path / "Annotations" / "cafe\u0301.xml"
    xml.rename(tmp_path / "Annotations" / "caf\u00e9.xml")
    (tmp_path / "JPEGImages" / "a.jpg").rename(tmp_path / "JPEGImages" / "B.JPG")
    path = tmp_path / "Annotations" / "a.xml"
    name = "<annotation><filename>C:\\cells\\b.jpg</filename>"
    path.write_text(path.read_text().replace("<annotation>", name))
    dataset = load(tmp_path)
    assert dataset.num_images == 2
    for image_id in range(2):
        assert dataset.load_image(image_id).shape == (8, 10, 3)
        assert dataset.load_mask(image_id)[0].any()


LABELS = np.zeros([8, 10])
LABELS[1:4, 2:5] = 1
LABELS[1:4, 5:7] = 2  # touches object 1
LABELS[4, 2:7] = 255  # void


def test_instance_k_is_object_k_and_void_belongs_to_none(tmp_path):
    add_image(tmp_path, "a", ["cat", "dog"], LABELS)
    dataset = load(tmp_path)
    masks, class_ids = dataset.load_mask(0)
    names = [dataset.class_names[i] for i in class_ids]
    assert names == ["cat", "dog"]
    np.testing.assert_array_equal(masks[..., 0], LABELS == 1)
    np.testing.assert_array_equal(masks[..., 1], LABELS == 2)


def test_touching_instances_of_a_real_image_stay_apart(shared):
    root = shared / "data" / "voc_mini" / "VOCdevkit" / "VOC2007"
    dataset = load(root, "trainval")
    touching = 0
    for image_id in dataset.image_ids:
        info = dataset.image_info[image_id]
        path = root / "SegmentationObject" / f"{info['id']}.png"
        labels = np.asarray(Image.open(path))
        masks, _ = dataset.load_mask(image_id)
        expected = [labels == k for k in range(1, masks.shape[-1] + 1)]
        np.testing.assert_array_equal(masks, np.stack(expected, axis=-1))
        assert set(np.unique(labels)) <= {0, 255, *range(masks.shape[-1] + 1)}
        beside = labels[:, :-1], labels[:, 1:]
        both = [(side > 0) & (side < 255) for side in beside]
        touching += (both[0] & both[1] & (beside[0] != beside[1])).any()
    assert touching >= 1


def test_class_of_real_instances_is_that_of_the_class_image(shared):
    root = shared / "data" / "voc_mini" / "VOCdevkit" / "VOC2007"
    dataset = load(root)
    for image_id in dataset.image_ids:
        name = f"{dataset.image_info[image_id]['id']}.png"
        classes = np.asarray(Image.open(root / "SegmentationClass" / name))
        masks, class_ids = dataset.load_mask(image_id)
        for i, class_id in enumerate(class_ids):
            assert np.bincount(classes[masks[..., i]]).argmax() == class_id


def test_extra_tells_difficult_and_the_box_from_zero(tmp_path):
    add_image(tmp_path, "a", ["cat"], LABELS == 1, difficult=1)
    (annotation,) = load(tmp_path).load_annotations(0)
    # Pixels 3..6 and 2..4, counted from 1.
    assert annotation.extra == {"difficult": 1, "box": (1, 2, 4, 6)}


def test_images_without_a_mask_are_left_out_and_told(tmp_path):
    add_image(tmp_path, "a", ["cat"], LABELS == 1)
    add_image(tmp_path, "b", ["dog"])
    with pytest.warns(UserWarning, match="1 of 2 images have no file in Segmentation"):
        dataset = load(tmp_path)
    assert [info["id"] for info in dataset.image_info] == ["a"]


def test_boxes_as_masks_takes_the_rectangle_where_no_mask_exists(tmp_path):
    add_image(tmp_path, "a", ["cat"], LABELS == 1)
    add_image(tmp_path, "b", ["dog"])
    add_list(tmp_path, "train", ["a"])
    add_list(tmp_path, "train", ["a", "b"], kind="Main")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = load(tmp_path, "train", boxes_as_masks=True)
    np.testing.assert_array_equal(dataset.load_mask(0)[0][..., 0], LABELS == 1)
    objects = dataset.objects(1)
    assert objects.boxes.tolist() == [[1, 2, 4, 6]]
    assert objects.crops[0].mask.all()
    assert load(tmp_path, "train").num_images == 1


def test_folder_without_any_mask_says_what_to_pass(tmp_path):
    add_image(tmp_path, "a", ["cat"])
    with pytest.raises(ValueError, match="pass boxes_as_masks=True"):
        load(tmp_path)


def test_image_without_objects_is_kept(tmp_path):
    add_image(tmp_path, "a", [], LABELS * 0)
    dataset = load(tmp_path)
    assert dataset.load_mask(0)[0].shape == (8, 10, 0)


def test_object_that_the_xml_lacks_takes_the_class_of_its_pixels(tmp_path):
    classes = np.where(LABELS == 2, VOC_CLASSES.index("dog") + 1, 0)
    add_image(tmp_path, "a", ["cat"], LABELS, classes)
    dataset = load(tmp_path)
    names = [dataset.class_names[i] for i in dataset.load_mask(0)[1]]
    assert names == ["cat", "dog"]


def test_object_that_nothing_tells_the_class_of_is_told(tmp_path):
    add_image(tmp_path, "a", ["cat"], LABELS)
    with pytest.warns(UserWarning, match=r"object 2 of .*a.png.* is left out"):
        dataset = load(tmp_path)
    assert len(dataset.load_mask(0)[1]) == 1


def test_object_without_a_pixel_keeps_its_place(tmp_path):
    add_image(tmp_path, "a", ["cat", "dog", "cow"], np.where(LABELS == 2, 3, 0))
    objects = load(tmp_path).objects(0)
    assert objects.boxes.tolist() == [[0] * 4, [0] * 4, [1, 5, 4, 7]]


def test_classes_are_those_of_the_challenge_else_of_the_folder(tmp_path):
    add_image(tmp_path, "a", ["dog"], LABELS == 1)
    add_image(tmp_path, "b", ["cat"], LABELS == 1)
    add_list(tmp_path, "train", ["a"])
    assert load(tmp_path, "train").class_names == ["BG", *VOC_CLASSES]
    # A class of another subset counts: subsets must number alike.
    add_image(tmp_path, "b", ["zebra"], LABELS == 1)
    assert load(tmp_path, "train").class_names == ["BG", "dog", "zebra"]
    only = load(tmp_path, classes=["zebra"])
    assert only.class_names == ["BG", "zebra"]
    assert [len(only.load_mask(i)[1]) for i in only.image_ids] == [0, 1]
    with pytest.raises(ValueError, match=r"none of classes=\['Zebra'\] occurs"):
        load(tmp_path, classes=["Zebra"])


def test_lists_of_a_class_leave_out_images_without_it(tmp_path):
    for image_id in "abc":
        add_image(tmp_path, image_id, ["cat"], LABELS == 1)
    add_list(tmp_path, "train", ["c", "a"])
    add_list(tmp_path, "cat_train", ["a  1", "b -1", "c  0"], kind="Main")
    ids = [info["id"] for info in load(tmp_path, "cat_train").image_info]
    assert ids == ["a", "c"]
    assert [i["id"] for i in load(tmp_path, "train").image_info] == ["c", "a"]
    assert voc_subsets(tmp_path) == ["train"]


def test_list_in_another_encoding_is_named(tmp_path):
    add_image(tmp_path, "zähne", ["cat"], LABELS)
    add_list(tmp_path, "train", ["zähne"])
    path = tmp_path / "ImageSets" / "Segmentation" / "train.txt"
    path.write_text("zähne", encoding="cp1252")
    with pytest.raises(ValueError, match=r"train\.txt: byte 0xe4 .*Save it as UTF-8"):
        load(tmp_path, "train")


def test_year_is_needed_only_among_several(tmp_path):
    kit = tmp_path / "VOCdevkit"
    add_image(kit / "VOC2007", "a", ["cat"], LABELS == 1)
    assert load(tmp_path).num_images == 1
    add_image(kit / "VOC2012", "b", ["cat"], LABELS == 1)
    assert [f.name for f in find_voc_folders(tmp_path)] == ["VOC2007", "VOC2012"]
    with pytest.raises(ValueError, match="VOC2007, VOC2012; choose one by year="):
        load(tmp_path)
    assert load(tmp_path, year=2012).image_info[0]["id"] == "b"
    assert load(kit / "VOC2012").image_info[0]["id"] == "b"
    with pytest.raises(FileNotFoundError, match="no year 2007; there is VOC2012"):
        load(kit / "VOC2012", year="2007")


def test_missing_pieces_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="pass the folder that holds Annota"):
        load(tmp_path)
    add_image(tmp_path, "a", ["cat"], LABELS == 1)
    add_list(tmp_path, "val", ["a", "gone"])
    with pytest.raises(FileNotFoundError, match="no list train.txt; there is val"):
        load(tmp_path, "train")
    add_image(tmp_path, "gone", ["cat"], LABELS == 1)
    (tmp_path / "Annotations" / "gone.xml").unlink()
    with pytest.raises(FileNotFoundError, match=r"gone.xml'\): there is no such file"):
        load(tmp_path, "val")


def test_subsets_loaded_one_after_the_other_share_their_classes(shared):
    dataset = VocDataset()
    for subset in ("train", "val"):
        dataset.load_voc(shared / "data" / "voc_mini", subset)
    dataset.prepare()
    assert (dataset.num_images, dataset.num_classes) == (44, 21)
