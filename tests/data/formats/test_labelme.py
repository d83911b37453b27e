from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.json_kinds import is_labelme
from mrcnn.data.formats.labelme import LabelMeDataset

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SQUARE = [[1, 2], [5, 2], [5, 6], [1, 6]]  # x, y


def shape(points, kind="polygon", label="cat", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


def png(array) -> str:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def write(folder, shapes, name="a", picture=True, **more):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
    content |= {"imageHeight": 12, "imageWidth": 10} | more
    (folder / f"{name}.json").write_text(json.dumps(content))
    if picture:
        Image.new("RGB", (10, 12), (1, 2, 3)).save(folder / f"{name}.png")


def load(folder, *args, **kwargs):
    dataset = LabelMeDataset()
    dataset.load_labelme(folder, *args, **kwargs)
    dataset.prepare()
    return dataset


def masks_of(tmp_path, shapes, **kwargs):
    write(tmp_path, shapes)
    return load(tmp_path, **kwargs).load_mask(0)[0]


def block(y1, x1, y2, x2):
    mask = np.zeros([12, 10], dtype=bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_polygon_and_rectangle_of_the_same_corners_are_equal(tmp_path):
    old = {"label": "cat", "points": SQUARE}  # LabelMe 3.0 has no shape_type
    corners = shape([[5, 6], [1, 2]], "rectangle")  # drawn from below
    four = shape(SQUARE, "rectangle")  # LabelMe 5.5 writes all corners
    masks = masks_of(tmp_path, [shape(SQUARE), old, corners, four])
    for i in range(4):
        np.testing.assert_array_equal(masks[..., i], block(2, 1, 6, 5))


def test_circle_is_its_center_and_a_point_on_it(tmp_path):
    masks = masks_of(tmp_path, [shape([[5, 6], [8, 6]], "circle")])
    y, x = np.mgrid[:12, :10] + 0.5
    np.testing.assert_array_equal(masks[..., 0], np.hypot(y - 6, x - 5) < 3)


def test_lines_have_the_width_asked_for(tmp_path):
    shapes = [
        shape([[2, 6], [8, 6]], "line"),
        shape([[2, 6], [8, 6], [8, 6]], "linestrip"),
    ]
    masks = masks_of(tmp_path, shapes, line_width=4)
    for i in range(2):
        assert np.flatnonzero(masks[:, 5, i]).tolist() == [4, 5, 6, 7]


def test_bitmap_lies_at_its_first_corner_and_may_hang_over(tmp_path):
    part = np.array([[0, 255, 255], [255, 0, 255]], np.uint8)
    shapes = [
        shape([[4, 3], [6, 4]], "mask", mask=png(part)),
        shape([[-1, -1], [1, 0]], "mask", mask=png(part)),
        shape([[8, 11], [10, 12]], "mask", mask=png(part)),
    ]
    masks = masks_of(tmp_path, shapes)
    assert np.argwhere(masks[..., 0]).tolist() == [[3, 5], [3, 6], [4, 4], [4, 6]]
    assert np.argwhere(masks[..., 1]).tolist() == [[0, 1]]
    assert np.argwhere(masks[..., 2]).tolist() == [[11, 9]]


def test_points_are_left_out_with_a_warning(tmp_path):
    write(tmp_path, [shape(SQUARE), shape([[1, 1]], "point")])
    with pytest.warns(UserWarning, match="1 points have no area"):
        dataset = load(tmp_path)
    assert dataset.load_mask(0)[0].shape == (12, 10, 1)


def test_group_joins_parts_of_one_label(tmp_path):
    shapes = [
        shape(SQUARE, group_id=1),
        shape([[6, 8], [9, 8], [9, 11], [6, 11]], group_id=1),
        shape(SQUARE, group_id=1, label="dog"),  # another object
        shape(SQUARE),
        shape(SQUARE),  # no group: each its own
    ]
    write(tmp_path, shapes)
    dataset = load(tmp_path)
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 2, 1, 1]
    expected = block(2, 1, 6, 5) | block(8, 6, 11, 9)
    np.testing.assert_array_equal(masks[..., 0], expected)
    assert dataset.load_annotations(0)[0].extra == {"group_id": 1}


def test_group_of_different_kinds_is_one_object(tmp_path):
    shapes = [
        shape(SQUARE, group_id=0),
        shape([[6, 8], [9, 11]], "rectangle", group_id=0),
    ]
    masks = masks_of(tmp_path, shapes)
    expected = block(2, 1, 6, 5) | block(8, 6, 11, 9)
    np.testing.assert_array_equal(masks, expected[..., np.newaxis])


def test_crops_of_all_kinds_are_the_masks(tmp_path):
    shapes = [
        shape(SQUARE, group_id=0),
        shape([[6, 8], [9, 11]], "rectangle", group_id=0),
        shape([[5, 6], [8, 6]], "circle"),
        shape([[2, 6], [18, 6]], "line"),
        shape([[20, 20], [30, 30]], "rectangle"),  # outside
    ]
    write(tmp_path, shapes)
    dataset = load(tmp_path)
    masks, class_ids = dataset.load_mask(0)
    crops = dataset.objects(0).crops
    assert len(class_ids) == len(crops) == 4
    for i, crop in enumerate(crops):
        pasted = np.zeros([12, 10], dtype=bool)
        crop.of(pasted)[:] = crop.mask
        np.testing.assert_array_equal(masks[..., i], pasted)


def test_json_without_shapes_is_an_image_without_objects(tmp_path):
    write(tmp_path, [])
    assert load(tmp_path).load_mask(0)[0].shape == (12, 10, 0)


def test_picture_is_found_by_imagepath(tmp_path):
    json_folder = tmp_path / "json"
    write(json_folder, [shape(SQUARE)], picture=False, imagePath="..\\images\\p.png")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (10, 12)).save(tmp_path / "images" / "p.png")
    assert load(json_folder).load_image(0).shape == (12, 10, 3)


def test_picture_of_another_machine_is_found_beside_the_json(tmp_path):
    write(tmp_path, [shape(SQUARE)], imagePath="C:\\Users\\me\\a.png")
    assert load(tmp_path).load_image(0)[0, 0].tolist() == [1, 2, 3]


def test_picture_inside_the_json_is_the_last_resort(tmp_path):
    array = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    size = {"imageHeight": None, "imageWidth": None}
    write(tmp_path, [shape(SQUARE)], picture=False, imageData=png(array), **size)
    dataset = load(tmp_path)
    assert dataset.image_size(0) == (12, 10)
    np.testing.assert_array_equal(dataset.load_image(0), array)
    write(tmp_path, [shape(SQUARE)], imageData=png(array))
    assert load(tmp_path).load_image(0)[0, 0].tolist() == [1, 2, 3]  # the file


def test_json_without_any_picture_is_told(tmp_path):
    write(tmp_path, [shape(SQUARE)], picture=False)
    with pytest.raises(ValueError, match="no imageData, and its image .*a.png"):
        load(tmp_path)


def test_other_json_files_of_the_folder_are_none(tmp_path):
    write(tmp_path, [shape(SQUARE)])
    (tmp_path / "config.json").write_text('{"shapes": 3}')
    assert load(tmp_path).num_images == 1
    assert not is_labelme([])
    assert not is_labelme({"shapes": []})


def test_classes_given_are_numbered_so_and_others_left_out(tmp_path):
    labels = ("dog", "cat", "cow")
    write(tmp_path, [shape(SQUARE, label=label) for label in labels])
    assert load(tmp_path).class_names == ["BG", "cat", "cow", "dog"]
    dataset = load(tmp_path, classes=["dog", "cat"])
    assert dataset.class_names == ["BG", "dog", "cat"]
    assert dataset.load_mask(0)[1].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"label": "cat"}, "shape 1: points is missing"),
        (shape([[1, 1, 1], [2, 2, 2]]), r"points\[0\] is \[1, 1, 1\]"),
        (shape(SQUARE, kind=["polygon"]), "shape_type is .'polygon'.: .*valid string"),
        (shape(SQUARE, group_id=[1]), "group_id"),
        (shape(SQUARE, flags={"old": "perhaps"}), "flags.old is 'perhaps'"),
        (shape([[1, 1]], "circle"), "has 1 points, not 2"),
        (shape(SQUARE, "cuboid"), "shape_type 'cuboid' .* is unknown"),
        (shape([[1, 1], [float("nan"), 2], [3, 3]]), r"points\[1\]\[0\] is nan"),
        (shape([[1, 1], [2, 2]], "mask"), "has no image in 'mask'"),
        (shape([[1, 1], [2, 2]], "mask", mask="AAAA"), "cannot identify image"),
    ],
)
def test_damaged_shape_is_named_with_its_file(tmp_path, bad, reason):
    write(tmp_path, [shape(SQUARE), bad])
    with pytest.warns(UserWarning, match=rf"a\.json: .*{reason}"):
        dataset = load(tmp_path)
    assert dataset.count_annotations().objects.sum() == 2
    with pytest.raises(ValueError, match=rf"object 1 .*a\.json: .*{reason}"):
        dataset.load_mask(0)
    (problem,) = dataset.validate().errors
    assert problem.instance == 1


@pytest.mark.parametrize("bad", [{"points": SQUARE}, None, [3], shape(SQUARE, label=3)])
def test_damaged_shape_without_a_class_is_kept_too(tmp_path, bad):
    write(tmp_path, [shape(SQUARE), bad])
    write(tmp_path, [shape(SQUARE)], name="b")
    with pytest.warns(UserWarning, match=r"a\.json: shape 1: .*1 damaged outlines"):
        dataset = load(tmp_path)
    with pytest.raises(ValueError, match=r"a\.json: shape 1: .*correct or remove"):
        dataset.load_mask(0)
    assert dataset.load_mask(1)[0].shape == (12, 10, 1)
    (problem,) = dataset.validate().errors
    assert (problem.image_id, problem.instance) == (0, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"shapes": [', "no valid json"),
        ('{"shapes": {}, "imagePath": "b.png"}', r"b\.json.*shapes is {}"),
        ('{"imageData": null, "imagePath": "b.png"}', "shapes is missing"),
        ('{"shapes": [], "imagePath": ["b.png"]}', "imagePath"),
        ('{"shapes": [], "imagePath": "b.png", "imageWidth": 1e9}', "imageWidth"),
    ],
)
def test_damaged_file_beside_its_image_does_not_stop_the_others(tmp_path, text, reason):
    write(tmp_path, [shape(SQUARE)])
    write(tmp_path, [], name="b")
    (tmp_path / "b.json").write_text(text)
    with pytest.warns(UserWarning, match=reason):
        dataset = load(tmp_path)
    assert dataset.load_mask(0)[0].shape == (12, 10, 1)
    with pytest.raises(ValueError, match=reason):
        dataset.load_mask(1)
    assert [problem.image_id for problem in dataset.validate().errors] == [1]


def test_labels_that_are_no_objects_are_left_out_and_told(tmp_path):
    labels = ("cat", "__ignore__", "_background_")
    write(tmp_path, [shape(SQUARE, label=label) for label in labels])
    with pytest.warns(UserWarning, match="2 shapes are labelled __ignore__ or _back"):
        dataset = load(tmp_path)
    assert dataset.class_names == ["BG", "cat"]
    assert dataset.load_mask(0)[0].shape == (12, 10, 1)
    kept = load(tmp_path, classes=["cat", "__ignore__", "_background_"])
    assert kept.load_mask(0)[1].tolist() == [1, 2, 3]


def test_numbers_as_text_are_numbers(tmp_path):
    texts = [[str(x), str(y)] for x, y in SQUARE]
    size = {"imageHeight": "12", "imageWidth": "10"}
    write(tmp_path, [shape(texts), shape(texts[::2], "rectangle")], **size)
    dataset = load(tmp_path)
    for i in range(2):
        np.testing.assert_array_equal(
            dataset.load_mask(0)[0][..., i], block(2, 1, 6, 5)
        )
    assert dataset.image_size(0) == (12, 10)


def test_picture_in_the_json_that_is_none_is_named(tmp_path):
    write(tmp_path, [shape(SQUARE)], picture=False, imageData="AAAA")
    with pytest.raises(OSError, match=r"imageData of '.*a\.json' is no image"):
        load(tmp_path).load_image(0)


def test_suffix_in_capitals_is_read_too(tmp_path):
    write(tmp_path / "train", [shape(SQUARE)])
    write(tmp_path / "val", [shape(SQUARE, label="dog")])
    (tmp_path / "val" / "a.json").rename(tmp_path / "val" / "a.JSON")
    assert load(tmp_path, "train").class_names == ["BG", "cat", "dog"]
    assert load(tmp_path, "val").load_mask(0)[1].tolist() == [2]


def test_missing_folder_and_empty_folder_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match="has no json file with LabelMe's"):
        load(tmp_path)


def test_real_files_hold_their_polygons(shared):
    dataset = load(shared / "data" / "labelme_nuts", "val")
    assert dataset.class_names == ["BG", "date", "fig", "hazelnut"]
    for image_id in dataset.image_ids:
        masks, _ = dataset.load_mask(image_id)
        assert masks.shape[:2] == dataset.load_image(image_id).shape[:2] == (600, 800)
        for i, annotation in enumerate(dataset.load_annotations(image_id)):
            (ring,) = annotation.shape.rings
            y, x = ring.T
            area = abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))) / 2
            assert masks[..., i].sum() == pytest.approx(area, rel=0.05)


def test_size_that_no_mask_can_have_is_refused_before_memory_is_filled(tmp_path):
    bitmap = shape([[1, 1], [3, 2]], "mask", mask=png(np.ones([2, 3], np.uint8)))
    write(tmp_path, [bitmap], imageHeight=10**6, imageWidth=10**6)
    write(tmp_path, [bitmap], name="b")
    with pytest.warns(
        UserWarning, match=r"a\.json'\): the image is said to be 1000000"
    ):
        dataset = load(tmp_path)
    assert dataset.load_mask(1)[0].sum() == 6


def test_name_that_no_file_can_have_is_a_missing_image(tmp_path):
    write(tmp_path, [shape(SQUARE)], picture=False, imagePath="A" * 5000)
    with pytest.raises(ValueError, match=r"a\.json' has no imageData, and its image"):
        load(tmp_path)


def test_bitmap_may_be_in_alpha_or_in_a_palette_with_white_first(tmp_path):
    part = np.eye(4, dtype=np.uint8)
    alpha = np.stack([part * 0 + 255] * 3 + [part * 255], axis=-1)
    inverted = Image.fromarray(1 - part, "P")
    inverted.putpalette([255, 255, 255, 0, 0, 0])
    file = io.BytesIO()
    inverted.save(file, "png")
    texts = [png(alpha), base64.b64encode(file.getvalue()).decode()]
    corners = [[2, 1], [5, 4]]
    masks = masks_of(tmp_path, [shape(corners, "mask", mask=text) for text in texts])
    for i in range(2):
        np.testing.assert_array_equal(masks[1:5, 2:6, i], part > 0)
