"""Files of 10, 12, 14 and 16 bits, and what else is not 8 bits a value."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.config import Config
from mrcnn.data import Dataset, load_image_gt, open_parts, read_image
from mrcnn.geometry import bit_depth

GREY = np.array([i * 4 + i % 3 for i in range(54)], np.uint8).reshape(6, 9)
RGB = np.stack([GREY, GREY[::-1], 220 - GREY], axis=-1)
SEEN = np.repeat(GREY[..., np.newaxis], 3, axis=-1)

pytestmark = pytest.mark.filterwarnings("ignore:.*taken for one of")


def write_png(path, deep):
    assert cv2.imwrite(str(path), deep[..., ::-1] if deep.ndim == 3 else deep)


def write_lzw(path, deep):
    lzw = [cv2.IMWRITE_TIFF_COMPRESSION, 5]
    assert cv2.imwrite(str(path), deep[..., ::-1] if deep.ndim == 3 else deep, lzw)


def tiff_writer(**kwargs):
    def write(path, deep):
        color = deep.ndim == 3
        planar = kwargs.get("planarconfig") == "separate" and color
        array = np.moveaxis(deep, -1, 0) if planar else deep
        how = kwargs if color else kwargs | {"planarconfig": None}
        photometric = "rgb" if color else "minisblack"
        tifffile.imwrite(path, array, photometric=photometric, **how)

    return write


WRITERS = {
    "a.png": write_png,
    "lzw.tif": write_lzw,
    "plain.tif": tiff_writer(),
    "big_endian.tif": tiff_writer(byteorder=">"),
    "deflate.tif": tiff_writer(compression="zlib", predictor=True),
    "tiles.tif": tiff_writer(compression="zlib", tile=(16, 16)),
    "planes.tif": tiff_writer(planarconfig="separate"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_grey_and_color_of_each_number_of_bits_look_alike(tmp_path, name, bits):
    for image, seen in ((GREY, SEEN), (RGB, RGB)):
        WRITERS[name](tmp_path / name, image.astype(np.uint16) << (bits - 8))
        np.testing.assert_array_equal(read_image(tmp_path / name), seen)
        parts = open_parts(tmp_path / name, in_parts=True)
        np.testing.assert_array_equal(parts[1:5, 2:7], seen[1:5, 2:7])


def test_alpha_says_nothing_of_the_range(tmp_path):
    alpha = np.full([6, 9, 1], 65535, np.uint16)
    deep = np.concatenate([RGB.astype(np.uint16) << 4, alpha], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", extrasamples=[2])
    cv2.imwrite(str(tmp_path / "a.png"), deep[..., [2, 1, 0, 3]])
    for name in ("a.tif", "a.png"):
        np.testing.assert_array_equal(read_image(tmp_path / name), RGB)


def test_white_that_is_zero_is_read_as_it_is_seen(tmp_path):
    path = tmp_path / "white.tif"
    for turned in (255 - GREY, (255 - GREY.astype(np.uint16)) << 8):
        tifffile.imwrite(path, turned, photometric="miniswhite")
        np.testing.assert_array_equal(read_image(path), SEEN)
        np.testing.assert_array_equal(open_parts(path, in_parts=True), SEEN)


def test_ome_says_which_bits_are_used(tmp_path):
    deep = GREY.astype(np.uint16)  # of 12 bits: nearly black
    pixels = '<Pixels SignificantBits="12" Type="uint16">'
    tifffile.imwrite(tmp_path / "a.tif", deep, description=pixels, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), SEEN >> 4)


def test_a_given_range_takes_what_has_no_plain_meaning(tmp_path):
    path = tmp_path / "heights.tif"
    tifffile.imwrite(path, GREY.astype(np.float32) * 100 - 40)
    with pytest.raises(ValueError, match=r"heights\.tif.*IMAGE_RANGE"):
        read_image(path)
    seen = read_image(path, image_range=(-40, 25460))
    np.testing.assert_array_equal(seen, SEEN)


def dataset_of(path, load_image=None):
    kind = type("Cells", (Dataset,), {"load_image": load_image} if load_image else {})
    dataset = kind()
    dataset.add_class("cells", 1, "cell")
    dataset.add_image("cells", 1, str(path))
    dataset.load_mask = lambda i: (np.ones([6, 9, 1], bool), np.array([1]))
    dataset.prepare()
    return dataset


def config_of(image_range="auto"):
    config = Config()
    config.NAME, config.NUM_CLASSES = "cells", 2
    config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM = 0, 64
    config.IMAGE_RANGE = image_range
    return config


def test_training_reads_files_as_the_config_says(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY.astype(np.uint16) << 4)
    dataset = dataset_of(path)
    through_super = dataset_of(path, lambda self, i: Dataset.load_image(self, i))
    np.testing.assert_array_equal(dataset.load_image(0), SEEN)
    for given, seen in (("auto", SEEN), ("dtype", SEEN >> 4), ((0, 65535), SEEN // 16)):
        for each in (dataset, through_super):
            image, *_ = load_image_gt(each, config_of(given), 0)
            y1, x1 = (64 - 6) // 2, (64 - 9) // 2
            inside = image[y1 : y1 + 6, x1 : x1 + 9].astype(int)
            assert np.abs(inside - seen).max() <= 1, given
    dataset.image_range = "dtype"  # of the data set, whatever the config
    np.testing.assert_array_equal(dataset.load_image(0), SEEN >> 4)


def test_arrays_of_an_own_load_image_are_scaled_as_files_are(tmp_path):
    deep = np.repeat((GREY.astype(np.uint16) << 4)[..., np.newaxis], 3, axis=-1)
    dataset = dataset_of(None, lambda self, i: deep)
    image, *_ = load_image_gt(dataset, config_of(), 0)
    assert image.dtype == np.uint8 and image.max() == GREY.max()
    config = config_of()
    config.MEAN_PIXEL = np.full(3, 2000.0)  # trained on values of 12 bits
    image, *_ = load_image_gt(dataset, config, 0)
    assert image.max() == deep.max()


def test_the_config_checks_its_range():
    for fine in ("auto", "dtype", (0, 4095), [0, 4095]):
        config_of(fine).validate()
    with pytest.raises(ValueError, match=r"IMAGE_RANGE=\(9, 1\).*black and white"):
        config_of((9, 1)).validate()
    kept = Config.from_dict(config_of((0, 4095)).to_dict())
    assert list(kept.IMAGE_RANGE) == [0, 4095]


def test_the_range_of_a_file_is_told_with_its_name(tmp_path):
    bit_depth._told.clear()
    Image.fromarray(GREY.astype(np.uint16) << 4).save(tmp_path / "camera.png")
    with pytest.warns(UserWarning, match=r"camera\.png.*12 bits"):
        read_image(tmp_path / "camera.png")
