"""Photographs are turned as the tool did that their outlines were drawn in."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.data import LabelMeDataset, ViaDataset, open_dataset, read_image
from mrcnn.data.dataset import Dataset
from mrcnn.data.files.open_images import EXIF_ORIENTATION, turn
from tests.data.written import write_json

HEIGHT, WIDTH = 40, 64  # as stored
BOX = (5, 9, 20, 17)  # y1, x1, y2, x2 of a bright object, as stored
ALL = tuple(range(1, 9))


def stored_picture(height=HEIGHT, width=WIDTH):
    image = np.full([height, width, 3], 40, np.uint8)
    y1, x1, y2, x2 = BOX
    image[y1:y2, x1:x2] = 255
    return image


def save(path, orientation, image=None):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(stored_picture() if image is None else image).save(path, exif=exif)
    return path


def box_of(image):
    """Returns (y1, x1, y2, x2) of what is bright."""
    ys, xs = np.nonzero(image[..., 0] > 200)
    return int(ys.min()), int(xs.min()), int(ys.max()) + 1, int(xs.max()) + 1


def assert_masks_lie_on_objects(dataset):
    dataset.prepare()
    image, (mask, _) = dataset.load_image(0), dataset.load_mask(0)
    assert mask.any() and (image[mask[..., 0]] == 255).all()
    assert mask.sum() == (image[..., 0] == 255).sum()
    for read_images in (True, False):
        assert not list(dataset.validate(read_images=read_images)), read_images
    dataset.image_size(0)  # keeps a size in image_info
    np.testing.assert_array_equal(dataset.load_image(0), image)


def via_content(box, filename="a.png", **file_attributes):
    y1, x1, y2, x2 = box
    rect = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
    regions = [{"shape_attributes": rect, "region_attributes": {"name": "cell"}}]
    entry = {"filename": filename, "regions": regions}
    return {"a.png1": entry | {"file_attributes": file_attributes}}


@pytest.mark.parametrize("side", [HEIGHT, WIDTH])  # a square one as well
@pytest.mark.parametrize("orientation", [0, *ALL, 9])
def test_outlines_of_via_lie_on_the_image_as_a_browser_shows_it(
    tmp_path, orientation, side
):
    image = stored_picture(height=side)
    save(tmp_path / "a.png", orientation, image)
    shown = turn(image, orientation if orientation in ALL else 1)
    write_json(tmp_path / "via.json", via_content(box_of(shown)))
    dataset = ViaDataset()
    dataset.load_via(tmp_path / "via.json")
    assert_masks_lie_on_objects(dataset)


def test_a_size_in_the_json_of_via_counts_before_the_tool(tmp_path):
    save(tmp_path / "a.png", 6)
    size = {"width": str(WIDTH), "height": str(HEIGHT)}  # an old browser
    write_json(tmp_path / "via.json", via_content(BOX, **size))
    dataset = ViaDataset()
    dataset.load_via(tmp_path / "via.json")
    assert_masks_lie_on_objects(dataset)


def labelme_content(box, **more):
    y1, x1, y2, x2 = box
    points = [[x1, y1], [x2, y2]]
    shape = {"label": "cell", "points": points, "shape_type": "rectangle"}
    return {"shapes": [shape], "imagePath": "a.png", "imageData": None} | more


def encoded(path):
    return base64.b64encode(path.read_bytes()).decode()


@pytest.mark.parametrize("side", [HEIGHT, WIDTH])
@pytest.mark.parametrize("orientation", [0, *ALL, 9])
@pytest.mark.parametrize("has_size", [True, False])
def test_labelme_turns(tmp_path, orientation, side, has_size):
    image = stored_picture(height=side)
    save(tmp_path / "a.png", orientation, image)
    shown = turn(image, orientation if orientation in ALL else 1)
    size = {"imageHeight": shown.shape[0], "imageWidth": shown.shape[1]}
    content = labelme_content(box_of(shown), **(size if has_size else {}))
    write_json(tmp_path / "a.json", content)
    dataset = LabelMeDataset()
    dataset.load_labelme(tmp_path)
    assert_masks_lie_on_objects(dataset)


@pytest.mark.parametrize("side", [HEIGHT, WIDTH])
@pytest.mark.parametrize("orientation", ALL)
def test_image_data_of_labelme_shows_whether_it_was_turned(tmp_path, orientation, side):
    image = stored_picture(height=side)
    shown = turn(image, orientation)
    Image.fromarray(np.ascontiguousarray(shown)).save(tmp_path / "shown.png")
    save(tmp_path / "a.png", orientation, image)
    for folder, data, seen in (
        ("turned", encoded(tmp_path / "shown.png"), shown),
        ("stored", encoded(tmp_path / "a.png"), image),  # the bytes of the file
    ):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "a.png", orientation, image)
        content = labelme_content(box_of(seen), imageData=data)
        write_json(tmp_path / folder / "a.json", content)
        for has_file in (True, False):
            if not has_file:
                (tmp_path / folder / "a.png").unlink()
            dataset = LabelMeDataset()
            dataset.load_labelme(tmp_path / folder)
            dataset.prepare()
            mask = dataset.load_mask(0)[0][..., 0]
            assert (dataset.load_image(0)[mask] == 255).all(), (folder, has_file)


def test_image_data_of_16_bits_is_read_and_a_damaged_one_is_named(tmp_path):
    Image.fromarray(np.full([6, 9], 65535, np.uint16)).save(tmp_path / "deep.png")
    content = labelme_content((1, 1, 4, 4), imageData=encoded(tmp_path / "deep.png"))
    path = write_json(tmp_path / "a.json", content)
    dataset = LabelMeDataset()
    dataset.load_labelme(tmp_path)
    dataset.prepare()
    assert (dataset.load_image(0) == 255).all()
    write_json(path, content | {"imageData": "AAAA"})
    with pytest.raises(OSError, match=r"load_image\(image_id=0\).*imageData.*a\.json"):
        dataset.load_image(0)


def coco_content(box, **size):
    y1, x1, y2, x2 = box
    bbox, area = [x1, y1, x2 - x1, y2 - y1], (x2 - x1) * (y2 - y1)
    ring = [x1, y1, x2, y1, x2, y2, x1, y2]
    about = {"bbox": bbox, "area": area, "segmentation": [ring], "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": "a.png"} | size],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1} | about],
        "categories": [{"id": 1, "name": "cell"}],
    }


@pytest.mark.parametrize("orientation", [3, 6])
def test_what_nothing_says_is_a_warning_and_can_be_said(tmp_path, orientation):
    save(tmp_path / "a.png", orientation)
    shown = turn(stored_picture(), orientation)
    path = write_json(tmp_path / "coco.json", coco_content(box_of(shown)))
    report = open_dataset(path, verbose=0).validate()
    text = next(str(p) for p in report.warnings if p.kind == "exif note")
    assert "display_instances" in text and "exif='apply'" in text
    assert_masks_lie_on_objects(open_dataset(path, exif="apply", verbose=0))
    write_json(path, coco_content(BOX))
    assert_masks_lie_on_objects(open_dataset(path, exif="ignore", verbose=0))
    with pytest.raises(ValueError, match="exif='yes'; use 'apply' or 'ignore'"):
        open_dataset(path, exif="yes", verbose=0)


@pytest.mark.parametrize("is_turned", [True, False])
def test_the_size_in_a_coco_json_says_which_image_was_annotated(tmp_path, is_turned):
    save(tmp_path / "a.png", 6)
    seen = turn(stored_picture(), 6 if is_turned else 1)
    size = {"height": seen.shape[0], "width": seen.shape[1]}
    path = write_json(tmp_path / "coco.json", coco_content(box_of(seen), **size))
    assert_masks_lie_on_objects(open_dataset(path, verbose=0))


@pytest.mark.parametrize("orientation", [3, 6])
def test_the_coco_export_of_via_is_that_of_a_browser(tmp_path, orientation):
    save(tmp_path / "a.png", orientation)
    shown = turn(stored_picture(), orientation)
    info = {"description": "VIA project exported to COCO format"}
    content = coco_content(box_of(shown)) | {"info": info}
    path = write_json(tmp_path / "coco.json", content)
    assert_masks_lie_on_objects(open_dataset(path, verbose=0))


def test_add_image_takes_how_the_image_is_turned(tmp_path):
    path = save(tmp_path / "a.png", 6)
    for exif, shape in (("apply", (64, 40, 3)), ("ignore", (40, 64, 3))):
        dataset = Dataset()
        dataset.add_image("cells", 1, str(path), exif=exif)
        assert dataset.load_image(0).shape == shape


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("orientation", [0, *ALL, 9])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_is_turned_once_or_not_at_all(tmp_path, orientation, compression, dtype):
    """Pillow turns a TIFF in any case, and garbles one without compression."""
    path = tmp_path / "a.tif"
    stored = stored_picture()[..., 0]
    note = [(EXIF_ORIENTATION, "H", 1, orientation, True)]
    deep = stored.astype(dtype) * dtype(1 if dtype == np.uint8 else 257)
    tifffile.imwrite(path, deep, extratags=note, metadata=None, compression=compression)
    shown = turn(stored, orientation if orientation in ALL else 1)
    np.testing.assert_array_equal(read_image(path)[..., 0], shown)
    np.testing.assert_array_equal(read_image(path, exif="ignore")[..., 0], stored)
    content = via_content(box_of(shown[..., np.newaxis]), path.name)
    write_json(tmp_path / "via.json", content)
    dataset = ViaDataset()
    dataset.load_via(tmp_path / "via.json")
    assert_masks_lie_on_objects(dataset)
