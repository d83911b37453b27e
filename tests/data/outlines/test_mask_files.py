from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.outlines import mask_files
from mrcnn.data.outlines.mask_files import LabelValue, MaskFile
from mrcnn.data.outlines.shapes import MaskSizeError
from tests.data.painted import draw_outline

EXPECTED = np.zeros([6, 9], bool)
EXPECTED[2:4, 3:8] = True
EXPECTED[3, 3] = False


def save(folder, array, mode=None, name="mask.png"):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(folder / name)
    return folder / name


def rgba(alpha):
    """A color picture of the mask; alpha is 255 everywhere, or where `alpha` says."""
    color = np.repeat(EXPECTED[..., None] * np.uint8(200), 4, axis=2)
    color[..., 3] = alpha
    color[..., 1] = 0  # one channel is enough
    return color


@pytest.mark.parametrize(
    "array",
    [
        EXPECTED,  # 1 bit
        EXPECTED.astype(np.uint8) * 255,
        EXPECTED.astype(np.uint8),  # hardly visible, but there
        EXPECTED.astype(np.uint16) * 300,
        rgba(255)[..., :3],
        rgba(255),
        rgba(0),  # fully transparent: still the mask
    ],
    ids=["bits", "255", "1", "uint16", "rgb", "opaque", "transparent"],
)
def test_mask_is_what_is_not_zero_in_any_mode(tmp_path, array):
    shape = MaskFile(save(tmp_path, array))
    np.testing.assert_array_equal(draw_outline(shape, 6, 9), EXPECTED)
    box, mask = shape.crop(6, 9)
    assert box == (2, 3, 4, 8)
    np.testing.assert_array_equal(mask, EXPECTED[2:4, 3:8])


def test_mask_file_without_a_pixel(tmp_path):
    path = save(tmp_path, np.zeros([6, 9], np.uint8))
    assert MaskFile(path).crop(6, 9).mask.shape == (0, 0)


LABELS = np.zeros([6, 9], np.uint8)
LABELS[1:3, 1:3] = 1
LABELS[1:3, 3:5] = 2  # touches 1
LABELS[5, 8] = 2  # and has a second part
LABELS[4, 0:3] = 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_label_is_the_pixels_of_its_value(tmp_path, dtype):
    name = "labels.tif" if dtype == np.int32 else "labels.png"
    path = save(tmp_path, LABELS.astype(dtype), name=name)
    for value in (1, 2, 255):
        for shape in (LabelValue(path, value), MaskFile(path, value)):
            np.testing.assert_array_equal(draw_outline(shape, 6, 9), LABELS == value)
    assert LabelValue(path, 2).crop(6, 9).box == (1, 3, 6, 9)
    assert LabelValue(path, 7).crop(6, 9).mask.shape == (0, 0)
    assert mask_files.label_values(path) == [1, 2, 255]


def test_labels_beyond_16_bits(tmp_path):
    labels = LABELS.astype(np.int32)
    labels[labels == 2] = 1_000_000
    path = save(tmp_path, labels, name="labels.tif")
    drawn = draw_outline(LabelValue(path, 1_000_000), 6, 9)
    np.testing.assert_array_equal(drawn, LABELS == 2)
    np.testing.assert_array_equal(draw_outline(LabelValue(path, 1), 6, 9), LABELS == 1)


def test_palette_is_read_by_its_indices(tmp_path):
    image = Image.fromarray(LABELS, "P")
    image.putpalette([0, 0, 0] * 2 + [9, 9, 9] * 254)  # 0 and 1 look alike
    image.save(tmp_path / "palette.png")
    drawn = draw_outline(LabelValue(tmp_path / "palette.png", 1), 6, 9)
    np.testing.assert_array_equal(drawn, LABELS == 1)


def test_file_of_labels_is_decoded_once_for_all_objects_of_an_image(
    tmp_path, monkeypatch
):
    path = save(tmp_path, LABELS)
    read, calls = mask_files.read_pages, []
    monkeypatch.setattr(
        mask_files, "read_pages", lambda path: calls.append(path) or read(path)
    )
    files = {}
    for value in (1, 2, 255):
        LabelValue(path, value).crop(6, 9, files)
    assert len(calls) == 1
    LabelValue(path, 1).crop(6, 9)  # nothing is kept without a dict
    assert len(calls) == 2


def test_mask_of_another_size_is_refused(tmp_path):
    path = save(tmp_path, LABELS)
    for shape in (MaskFile(path), LabelValue(path, 1)):
        with pytest.raises(
            MaskSizeError, match=r"mask\.png.*\(6, 9\).*image is \(9, 6\)"
        ):
            shape.crop(9, 6)


def test_unfit_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        MaskFile(tmp_path / "gone.png").crop(6, 9)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(OSError, match=r"text\.png.*no image"):
        MaskFile(tmp_path / "text.png").crop(6, 9)
    with pytest.raises(ValueError, match=r"whole numbers.*\(6, 9, 3\)"):
        LabelValue(save(tmp_path, rgba(255)), 200).crop(6, 9)
    with pytest.raises(ValueError, match="0 is the background"):
        LabelValue("labels.png", 0)
    with pytest.raises(TypeError, match="use MaskFile"):
        LabelValue("labels.png")


def test_pages_and_parts_of_a_file_are_objects(tmp_path):
    pages = [
        Image.fromarray(np.where(LABELS == v, 255, 0).astype(np.uint8)) for v in (1, 2)
    ]
    pages[0].save(tmp_path / "all.tif", save_all=True, append_images=pages[1:])
    for i, value in enumerate((1, 2)):
        drawn = draw_outline(MaskFile(tmp_path / "all.tif", page=i), 6, 9)
        np.testing.assert_array_equal(drawn, LABELS == value)
    with pytest.raises(ValueError, match=r"all\.tif.*stack of 2 pages"):
        MaskFile(tmp_path / "all.tif").crop(6, 9)
    parts = MaskFile(tmp_path / "all.tif", 2, page=1, separate=True)
    assert parts.crop(6, 9).box == (5, 8, 6, 9)  # the second part of label 2
    assert mask_files.part_values(tmp_path / "all.tif", 1) == [1, 1]
