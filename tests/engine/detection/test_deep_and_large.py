"""Images of more than 8 bits, and those that are too large to read as a whole."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.data import Dataset, ImageTooLargeError
from mrcnn.engine import tiled_image
from mrcnn.engine.detection.molding import (
    MAX_MODEL_PIXELS,
    mold_images,
    network_image,
)
from mrcnn.evaluation import load_image_for
from tests.engine.tiny import make_config

GREY = np.random.default_rng(0).integers(3, 250, [60, 90], dtype=np.uint8)
RGB = np.repeat(GREY[..., np.newaxis], 3, axis=-1)
TWELVE = GREY.astype(np.uint16) << 4

pytestmark = pytest.mark.filterwarnings("ignore:.*taken for one of")


def files_of(folder):
    Image.fromarray(GREY).save(folder / "8.png")
    for name, deep in (("12", TWELVE), ("16", GREY.astype(np.uint16) * 257)):
        tifffile.imwrite(folder / f"{name}.tif", deep)
        Image.fromarray(deep).save(folder / f"{name}.png")
    return sorted(folder.iterdir())


def test_files_and_arrays_of_each_number_of_bits_are_one_image(detector, tmp_path):
    files = files_of(tmp_path)
    assert len(files) == 5
    arrays = [TWELVE, TWELVE.astype(np.int32), TWELVE.astype(np.float32)]
    expected = detector.detect([RGB])[0]
    for image in [*files, *arrays]:
        (found,) = detector.detect([image])
        np.testing.assert_array_equal(found["rois"], expected["rois"])
        np.testing.assert_array_equal(found["scores"], expected["scores"])
    expected = detector.detect([RGB], tile=48)[0]
    assert len(expected["rois"])
    for image in [*files, *arrays]:
        (found,) = detector.detect([image], tile=48)
        np.testing.assert_array_equal(found["rois"], expected["rois"])


def test_the_config_gives_the_range_of_files_and_arrays(tmp_path):
    tifffile.imwrite(tmp_path / "12.tif", TWELVE)
    for image_range, seen in (("dtype", RGB >> 4), ((0, 65535), RGB // 16)):
        config = make_config(IMAGE_RANGE=image_range)
        for image in (tmp_path / "12.tif", TWELVE):
            read = network_image(image, config, 0).astype(int)
            assert np.abs(read - seen).max() <= 1
            tiled = np.asarray(tiled_image(image, config)).astype(int)
            np.testing.assert_array_equal(tiled, read)


def test_evaluation_reads_files_as_the_config_of_the_model_says(tmp_path):
    tifffile.imwrite(tmp_path / "12.tif", TWELVE)
    dataset = Dataset()
    dataset.add_image("cells", 1, str(tmp_path / "12.tif"))
    model = SimpleNamespace(config=make_config(IMAGE_RANGE="dtype"))
    np.testing.assert_array_equal(load_image_for(model, dataset, 0), RGB >> 4)
    np.testing.assert_array_equal(load_image_for(SimpleNamespace(), dataset, 0), RGB)


def test_whole_numbers_beyond_16_bits_are_an_error_that_names_them(detector):
    with pytest.raises(ValueError, match=r"detect\(images\[1\]\).*int32.*IMAGE_RANGE"):
        detector.detect([RGB, RGB.astype(np.int32) * 1000])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["8.png", "12.tif"])
def test_tiles_are_read_when_they_are_asked_for(tmp_path, name, channels):
    files_of(tmp_path)
    mean = np.full(channels, 100.0)
    config = make_config(IMAGE_CHANNEL_COUNT=channels, MEAN_PIXEL=mean)
    image = tiled_image(tmp_path / name, config)
    assert image.shape == (60, 90, channels)
    part = image[10:30, 40:75]
    assert part.dtype == np.uint8 and part.shape == (20, 35, channels)
    np.testing.assert_array_equal(part, RGB[10:30, 40:75, :channels])
    np.testing.assert_array_equal(image, RGB[..., :channels])
    assert tiled_image(image, config) is image
    with pytest.raises(ImageTooLargeError, match="8.png"):
        tiled_image(tmp_path / "8.png", config, max_pixels=1000)


def test_an_image_whose_features_fill_the_memory_is_refused_with_the_remedy(tmp_path):
    config = make_config(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_DIM=800)
    thin = np.zeros([1, 2000, 3], np.uint8)  # becomes 800 x 1,600,000
    Image.fromarray(thin).save(tmp_path / "thin.png")
    for image in (thin, tmp_path / "thin.png"):
        with pytest.raises(ImageTooLargeError, match=r"1 x 2000 px.*tile=512.*--tile"):
            mold_images([image], config)
    assert 800 * 1_600_000 > MAX_MODEL_PIXELS
    config.IMAGE_RESIZE_MODE = "square"
    images, *_ = mold_images([thin], config)
    assert images.shape[1:3] == tuple(config.IMAGE_SHAPE[:2])
