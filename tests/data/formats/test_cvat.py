from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import CvatDataset, open_dataset

META = """<meta><task><labels><label><name>cell</name><type>any</type></label>
<label><name>bud</name></label></labels></task></meta>"""
SQUARE = '<polygon label="cell" points="2.0,1.0;6,1;6,5;2,5" z_order="0"/>'
BLOCK = np.zeros([12, 10], bool)
BLOCK[1:5, 2:6] = True


def image(elements, name="a.png", more='width="10" height="12"'):
    return f'<image id="0" name="{name}" {more}>{elements}</image>'


def write(folder, *images, meta=META, head=""):
    text = f"{head}<annotations><version>1.1</version>{meta}{''.join(images)}"
    folder.mkdir(exist_ok=True)
    (folder / "annotations.xml").write_text(f"{text}</annotations>")
    (folder / "images").mkdir(exist_ok=True)
    Image.new("RGB", (10, 12)).save(folder / "images" / "a.png")
    return folder


def load(folder, *args, **kwargs):
    return open_dataset(folder, *args, verbose=0, **kwargs)


def masks_of(tmp_path, *elements):
    return load(write(tmp_path, image("".join(elements)))).load_mask(0)[0]


def test_polygon_box_and_mask_of_the_same_pixels_are_equal(tmp_path):
    masks = masks_of(
        tmp_path,
        SQUARE,
        '<box label="cell" xtl="2" ytl="1" xbr="6" ybr="5"/>',
        '<box label="cell" xtl="2" ytl="1" xbr="6" ybr="5" rotation="90.0"/>',
        '<mask label="cell" rle="0, 16" left="2" top="1" width="4" height="4"/>',
    )
    for i in range(4):
        np.testing.assert_array_equal(masks[..., i], BLOCK)


def test_runs_of_a_mask_go_row_by_row_in_its_box(tmp_path):
    rle = '<mask label="cell" rle="1, 2, 3" left="{}" top="{}" width="3" height="2"/>'
    masks = masks_of(tmp_path, rle.format(4, 3), rle.format(-2, 11), rle.format(99, 99))
    assert np.argwhere(masks[..., 0]).tolist() == [[3, 5], [3, 6]]
    assert np.argwhere(masks[..., 1]).tolist() == [[11, 0]]  # hangs over
    assert not masks[..., 2].any()


def test_rotation_is_in_degrees_and_clockwise(tmp_path):
    #  a bar from the left to the right, its left end up when turned by 45
    box = '<box label="cell" xtl="1" ytl="5" xbr="9" ybr="7" rotation="45"/>'
    oval = '<ellipse label="cell" cx="5" cy="6" rx="4" ry="1" rotation="45"/>'
    masks = masks_of(tmp_path, box, oval)
    for i in range(2):
        assert masks[4, 3, i] and masks[8, 7, i]
        assert not masks[4, 7, i] and not masks[8, 3, i]
    assert masks[..., 0].sum() == pytest.approx(16, abs=4)


def test_group_is_one_object_of_each_label(tmp_path):
    group = 'group_id="3"'
    part = f'<box label="{{}}" {group} xtl="0" ytl="8" xbr="4" ybr="10"/>'
    elements = SQUARE.replace("z_order", f"{group} z_order"), part.format("cell")
    dataset = load(write(tmp_path, image("".join((*elements, part.format("bud"))))))
    masks, class_ids = dataset.load_mask(0)
    assert [dataset.class_names[i] for i in class_ids] == ["cell", "bud"]
    assert masks.sum(axis=(0, 1)).tolist() == [24, 8]
    assert dataset.load_annotations(0)[0].extra == {"group_id": 3}


def test_flags_and_attributes_are_kept(tmp_path):
    inner = '<attribute name="age">old</attribute>'
    box = (
        f'<box label="cell" occluded="1" xtl="1" ytl="1" xbr="3" ybr="3">{inner}</box>'
    )
    (annotation,) = load(write(tmp_path, image(box))).load_annotations(0)
    assert annotation.extra == {"attributes": {"age": "old"}, "occluded": 1}


def test_what_has_no_outline_is_told(tmp_path):
    write(tmp_path, image(SQUARE + '<tag label="x"/><points label="x" points="1,2"/>'))
    with pytest.warns(UserWarning, match=r"2 annotations .* \(points, tag\) are left"):
        dataset = load(tmp_path)
    assert dataset.class_names == ["BG", "bud", "cell"]
    assert dataset.load_mask(0)[0].shape == (12, 10, 1)


def test_line_has_the_width_asked_for(tmp_path):
    write(tmp_path, image('<polyline label="cell" points="0,6;10,6"/>'))
    assert load(tmp_path, line_width=4).load_mask(0)[0].sum() == 40


def test_images_without_an_object_are_kept_and_files_found(tmp_path):
    write(tmp_path, image(""), meta="")
    dataset = load(tmp_path / "annotations.xml")
    assert dataset.load_mask(0)[0].shape == (12, 10, 0)
    assert dataset.load_image(0).shape == (12, 10, 3)


def test_subsets_of_a_project_can_be_chosen(tmp_path):
    size = 'width="10" height="12" subset="{}"'
    images = [
        image(SQUARE, f"{s}.png", size.format(s)) for s in ("Train", "Validation")
    ]
    write(tmp_path, *images)
    dataset = load(tmp_path, "train", image_dir=tmp_path)
    assert [info["id"] for info in dataset.image_info] == ["Train/Train.png"]
    assert load(tmp_path).num_images == 2
    with pytest.raises(ValueError, match=r"subset 'x'; there is Train, Validation\."):
        CvatDataset().load_cvat(tmp_path, "x")


def test_file_in_utf_16_is_known_by_its_first_lines(tmp_path):
    head = '<?xml version="1.0" encoding="utf-16"?>'
    folder = write(tmp_path, image(SQUARE, more='subset="one"'), head=head)
    file = folder / "annotations.xml"
    file.write_text(file.read_text(), encoding="utf-16")
    np.testing.assert_array_equal(load(folder, "one").load_mask(0)[0][..., 0], BLOCK)


def test_files_of_several_folders_number_their_classes_alike(tmp_path):
    for name, label in {"train": "cell", "val": "bud"}.items():
        write(tmp_path / name, image(SQUARE.replace("cell", label)), meta="")
    dataset = load(tmp_path, "val")
    assert dataset.class_names == ["BG", "bud", "cell"]
    assert dataset.load_mask(0)[1].tolist() == [1]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            SQUARE.replace("2.0", "nan"),
            r"polygon 1, damaged: points\[0\]\[0\] is 'nan'",
        ),
        (SQUARE.replace("2.0,1.0", "2.0"), r"points\[0\]"),
        (SQUARE.replace("points", "point"), "points is missing"),
        (SQUARE.replace("z_order", 'occluded="often" z_order'), "occluded is 'often'"),
        ('<box label="cell" xtl="1" ytl="1" xbr="3"/>', "ybr is missing"),
        ('<box label="cell" xtl="1" ytl="1" xbr="3" ybr="1e99"/>', "damaged"),
        (
            '<mask label="cell" rle="0,9" left="0" top="0" width="2" height="2"/>',
            "its runs are 9 px long",
        ),
        (
            '<mask label="cell" rle="0,9" left="0" top="0" width="99999" height="2"/>',
            "larger than its image",
        ),
        ('<box xtl="1" ytl="1" xbr="3" ybr="4"/>', "label is missing"),
    ],
)
def test_damaged_object_does_not_stop_the_others(tmp_path, bad, reason):
    write(tmp_path, image(SQUARE + bad), image(SQUARE, "b.png"))
    with pytest.warns(
        UserWarning, match=rf"annotations\.xml'\): image 'a.png', .*{reason}"
    ):
        dataset = load(tmp_path)
    with pytest.raises(ValueError, match=rf"object 1 .*{reason}"):
        dataset.load_mask(0)
    assert dataset.load_mask(1)[0].sum() == 16
    problems = [p for p in dataset.validate().errors if p.kind == "unreadable masks"]
    assert [(p.image_id, p.instance) for p in problems] == [(0, 1)]


@pytest.mark.parametrize(
    ("images", "head", "reason"),
    [
        ("<track id='0' label='cell'/>", "", "of a video .*export 'COCO 1.0'"),
        ("<image>", "", "no valid xml: mismatched tag"),
        ("<image id='0'/>", "", "image 0: name is missing"),
        ("<image name='a' width='1e9'/>", "", "image 0: width is '1e9'"),
        ("", "<!DOCTYPE x [<!ENTITY e 'x'>]>", "declares a document type"),
    ],
)
def test_damaged_file_is_named(tmp_path, images, head, reason):
    write(tmp_path, images, head=head)
    with pytest.raises(ValueError, match=rf"annotations\.xml'\): .*{reason}"):
        load(tmp_path)


def test_missing_file_and_several_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no xml file of CVAT"):
        CvatDataset().load_cvat(tmp_path)
    for name in ("one", "two"):
        write(tmp_path / name, image(SQUARE))
    with pytest.raises(ValueError, match=r"one.annotations\.xml, .*name the one"):
        CvatDataset().load_cvat(tmp_path)
