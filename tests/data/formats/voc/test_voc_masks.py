from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.files.mask_values import voc_colors
from mrcnn.data.formats.open_dataset import open_dataset
from mrcnn.data.formats.voc.voc_masks import VOC_CLASSES

XML = """<annotation><size><width>10</width><height>8</height></size>{}</annotation>"""
OBJECT = "<object><name>{}</name></object>"
LABELS = np.zeros([8, 10], np.uint8)
LABELS[1:4, 2:5] = 1
LABELS[1:4, 5:7] = 2  # touches object 1
LABELS[4, 2:7] = 255  # void


def write(root, labels, classes=None, names=None):
    """Writes an image with masks; arrays of [H, W, 3] are colors."""
    folders = {"JPEGImages": LABELS * 0, "SegmentationObject": labels}
    folders |= {} if classes is None else {"SegmentationClass": classes}
    for name, array in folders.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        ending = "jpg" if name == "JPEGImages" else "png"
        image = array if isinstance(array, Image.Image) else Image.fromarray(array)
        image.save(root / name / f"a.{ending}")
    if names is not None:
        (root / "Annotations").mkdir(exist_ok=True)
        objects = "".join(map(OBJECT.format, names))
        (root / "Annotations" / "a.xml").write_text(XML.format(objects))
    return root


def open_quietly(root, **kwargs):
    dataset = open_dataset(root, verbose=0, **kwargs)
    assert dataset.format.startswith("Pascal VOC")
    return dataset


def check(dataset, *names):
    masks, class_ids = dataset.load_mask(0)
    assert [dataset.class_names[i] for i in class_ids] == list(names)
    for i in range(len(names)):
        np.testing.assert_array_equal(masks[..., i], LABELS == i + 1)
    assert not dataset.validate().errors


def test_object_masks_in_colors_of_voc(tmp_path):
    colors = voc_colors()[LABELS]
    check(open_quietly(write(tmp_path, colors, names=["cat", "dog"])), "cat", "dog")


def test_palette_without_its_unused_colors_is_read_by_color(tmp_path):
    image = Image.fromarray(LABELS, "P")
    image.putpalette(voc_colors().ravel().tolist())
    root = write(tmp_path, LABELS, names=["cat", "dog"])
    image = image.remap_palette([0, 1, 2, 255])
    image.save(root / "SegmentationObject" / "a.png")
    stored = np.asarray(Image.open(root / "SegmentationObject" / "a.png"))
    assert stored.max() == 3  # void has become 3
    check(open_quietly(root), "cat", "dog")


def test_boxes_that_lie_beside_their_masks_are_told(tmp_path):
    root = write(tmp_path, LABELS, names=["cat", "dog"])
    box = "<bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>{}</xmax><ymax>4</ymax></bndbox>"
    boxes = {"cat": box.format(3, 5), "dog": box.format(6, 7)}
    for names, wrong in ((["cat", "dog"], []), (["dog", "cat"], [0, 1])):
        objects = (f"<object><name>{n}</name>{boxes[n]}</object>" for n in names)
        (root / "Annotations" / "a.xml").write_text(XML.format("".join(objects)))
        report = open_quietly(root).validate()
        assert [p.instance for p in report.of_kind("box beside the mask")] == wrong
        assert len(report.errors) == len(wrong)


CAT, CAR = VOC_CLASSES.index("cat") + 1, VOC_CLASSES.index("car") + 1
CLASSES = np.array([0, CAT, CAR])[np.minimum(LABELS, 2) * (LABELS < 255)]


@pytest.mark.parametrize("color", [False, True])
def test_folder_without_xml_takes_classes_from_the_class_image(tmp_path, color):
    classes = CLASSES.astype(np.uint8)
    labels, classes = (
        voc_colors()[array] if color else array for array in (LABELS, classes)
    )
    check(open_quietly(write(tmp_path, labels, classes)), "cat", "car")


LABEL_MAP = """# label:color_rgb:parts:actions
background:0,0,0::
cell:250,50,83::
debris:51,221,255::
"""


def test_folder_without_xml_takes_classes_from_the_label_map(tmp_path):
    own = np.array([[0, 0, 0], [51, 221, 255], [250, 50, 83]], np.uint8)
    classes = own[np.where(LABELS == 255, 0, LABELS)]
    root = write(tmp_path, voc_colors()[LABELS], classes)
    (root / "labelmap.txt").write_text(LABEL_MAP)
    dataset = open_quietly(root)
    check(dataset, "debris", "cell")
    assert dataset.class_names == ["BG", "cell", "debris"]
    (root / "labelmap.txt").write_text("cell:250,50::\n")
    with pytest.raises(ValueError, match=r"labelmap.txt.*'cell:250,50::' is not name"):
        open_quietly(root)


def test_label_map_in_a_code_page_is_named(tmp_path):
    root = write(tmp_path, LABELS, LABELS)
    (root / "labelmap.txt").write_text("zellé:128,0,0::\n", encoding="cp1252")
    with pytest.raises(ValueError, match=r"labelmap\.txt'.* 0xe9 in line 1 is not UTF"):
        open_quietly(root)


@pytest.mark.parametrize("label_map", [None, "background:0,0,0::\nobject:1,2,3::\n"])
def test_folder_without_xml_and_class_images_has_one_class(tmp_path, label_map):
    root = write(tmp_path, LABELS)
    if label_map:
        (root / "labelmap.txt").write_text(label_map)
    check(open_quietly(root), "object", "object")


@pytest.mark.parametrize("names", [None, ["cat", "dog"]])
def test_damaged_object_mask_is_a_line_of_the_report(tmp_path, names):
    root = write(tmp_path, LABELS, names=names)
    if names:
        (root / "Annotations" / "b.xml").write_text(XML.format(OBJECT.format("cat")))
    Image.fromarray(LABELS).save(root / "JPEGImages" / "b.jpg")
    colors = np.stack([LABELS * 7, LABELS, LABELS], axis=-1)  # not those of VOC
    Image.fromarray(colors).save(root / "SegmentationObject" / "b.png")
    dataset = open_quietly(root)
    assert dataset.load_mask(0)[0].shape == (8, 10, 2)
    (problem,) = dataset.validate().errors
    assert problem.image_id == 1 and "colors of Pascal VOC's palette" in problem.text
    assert "b.png" in problem.text
