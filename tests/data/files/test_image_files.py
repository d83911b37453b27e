from __future__ import annotations

import functools
import http.server
import threading

import numpy as np
import pytest
import skimage.io
import tifffile
from PIL import Image

from mrcnn.data.files.image_files import read_image
from mrcnn.data.files.open_images import EXIF_ORIENTATION

# 2 x 3 px, so that a turned image is seen by its shape.
GREY = np.array([[0, 50, 100], [150, 200, 255]], dtype=np.uint8)
RGB = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)


def saved(tmp_path, array, mode=None, name="image.png", **kwargs):
    path = tmp_path / name
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **kwargs)
    return path


def mode_of(path):
    with Image.open(path) as image:
        return image.mode


def as_rgb(grey):
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def assert_reads(path, expected):
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


def test_rgb_file_is_read_as_it_is_and_may_be_written_to(tmp_path):
    path = saved(tmp_path, RGB)
    assert_reads(path, RGB)
    image = read_image(path)
    image[0, 0] = 7  # callers draw into it


def test_grey_file_becomes_three_equal_channels(tmp_path):
    assert_reads(saved(tmp_path, GREY), as_rgb(GREY))


def test_alpha_is_dropped_and_the_colors_below_it_stay(tmp_path):
    alpha = np.zeros_like(GREY)
    rgba = np.concatenate([RGB, alpha[..., np.newaxis]], axis=-1)
    assert_reads(saved(tmp_path, rgba), RGB)


def test_grey_with_alpha(tmp_path):
    grey_alpha = np.stack([GREY, np.zeros_like(GREY)], axis=-1)
    assert_reads(saved(tmp_path, Image.fromarray(grey_alpha, "LA")), as_rgb(GREY))


def test_one_bit_file_becomes_black_and_white(tmp_path):
    path = saved(tmp_path, GREY, mode="1")
    assert mode_of(path) == "1"
    assert set(np.unique(read_image(path))) == {0, 255}


@pytest.mark.parametrize("transparency", [None, 0, b"\x00\x80"])
@pytest.mark.filterwarnings("error")
def test_palette_file_gives_its_colors(tmp_path, transparency):
    image = Image.fromarray(np.array([[0, 1, 1], [1, 0, 0]], np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    options = {} if transparency is None else {"transparency": transparency}
    path = saved(tmp_path, image, **options)
    assert mode_of(path) == "P"
    colors = np.array([[10, 20, 30], [200, 100, 50]], np.uint8)
    assert_reads(path, colors[[[0, 1, 1], [1, 0, 0]]])


def test_16_bit_file_keeps_its_high_byte(tmp_path):
    deep = np.array([[0, 255, 256], [25700, 65279, 65535]], dtype=np.uint16)
    expected = np.array([[0, 0, 1], [100, 254, 255]], dtype=np.uint8)
    assert_reads(saved(tmp_path, deep), as_rgb(expected))
    assert_reads(saved(tmp_path, deep, name="deep.tif"), as_rgb(expected))


def test_16_bit_color_tiff_is_read(tmp_path):
    path = tmp_path / "deep.tif"
    skimage.io.imsave(path, RGB.astype(np.uint16) * 256, check_contrast=False)
    assert_reads(path, RGB)


def test_cmyk_file_becomes_rgb(tmp_path):
    image = Image.fromarray(np.full([8, 8, 3], [200, 100, 50], np.uint8))
    path = saved(tmp_path, image, mode="CMYK", name="print.jpg", quality=100)
    assert mode_of(path) == "CMYK"
    assert abs(read_image(path).astype(int) - [200, 100, 50]).max() < 12


def test_float_file_of_unit_range_is_scaled(tmp_path):
    unit = GREY.astype(np.float32) / 255
    assert_reads(saved(tmp_path, unit, name="unit.tif"), as_rgb(GREY))


def test_float_file_of_unknown_range_is_refused(tmp_path):
    path = saved(tmp_path, GREY.astype(np.float32) - 40, name="heights.tif")
    with pytest.raises(ValueError, match=r"heights\.tif.*-40.*load_image"):
        read_image(path)


def test_file_with_five_channels_is_refused(tmp_path):
    path = tmp_path / "satellite.tif"
    array = np.zeros([6, 9, 5], dtype=np.uint8)
    tifffile.imwrite(path, array, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ValueError, match=r"satellite\.tif.*shape.*load_image"):
        read_image(path)


def test_stack_of_layers_is_refused_but_a_thumbnail_is_not(tmp_path):
    pages = [Image.fromarray(GREY), Image.fromarray(GREY)]
    path = saved(
        tmp_path, pages[0], name="stack.tif", save_all=True, append_images=pages
    )
    with pytest.raises(ValueError, match=r"stack\.tif.*stack of 3 .*load_image"):
        read_image(path)
    small = [Image.fromarray(GREY[:1])]
    path = saved(
        tmp_path, pages[0], name="thumb.tif", save_all=True, append_images=small
    )
    assert_reads(path, as_rgb(GREY))


@pytest.fixture
def address(tmp_path):
    """A web server over tmp_path."""
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_image_at_an_address_is_read(tmp_path, address):
    saved(tmp_path, RGB, name="color.png")
    assert_reads(f"{address}/color.png", RGB)
    tifffile.imwrite(tmp_path / "bits.tif", GREY > 120, photometric="minisblack")
    assert_reads(f"{address}/bits.tif", as_rgb(np.uint8(255) * (GREY > 120)))
    with pytest.raises(OSError, match=r"http://.*/gone\.png"):
        read_image(f"{address}/gone.png")


def test_values_beyond_16_bits_are_refused(tmp_path):
    path = saved(tmp_path, GREY.astype(np.int32) * 1000, name="counts.tif")
    with pytest.raises(ValueError, match=r"counts\.tif.*255000"):
        read_image(path)


def turned_file(tmp_path, orientation):
    """Stored as RGB [2, 3]; orientations 5-8 mean an image of [3, 2]."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return saved(tmp_path, RGB, exif=exif)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, RGB),
        (2, RGB[:, ::-1]),
        (3, RGB[::-1, ::-1]),
        (6, np.rot90(RGB, -1)),
        (8, np.rot90(RGB)),
    ],
)
def test_bare_file_is_turned_as_a_viewer_does(tmp_path, orientation, upright):
    path = turned_file(tmp_path, orientation)
    assert_reads(path, upright)
    np.testing.assert_array_equal(read_image(path, exif="apply"), upright)
    np.testing.assert_array_equal(read_image(path, exif="ignore"), RGB)


@pytest.mark.parametrize(
    ("orientation", "annotated_size", "shape"),
    [
        (6, (3, 2), (3, 2, 3)),  # annotated upright
        (6, (2, 3), (2, 3, 3)),  # annotated as stored
        (6, (30, 20), (2, 3, 3)),  # annotated on something else
        (1, (3, 2), (2, 3, 3)),  # no note to obey
    ],
)
def test_annotated_size_decides_about_turning(
    tmp_path, orientation, annotated_size, shape
):
    path = turned_file(tmp_path, orientation)
    assert read_image(path, annotated_size=annotated_size).shape == shape


def test_size_cannot_speak_for_upside_down(tmp_path):
    path = turned_file(tmp_path, 3)
    np.testing.assert_array_equal(read_image(path, annotated_size=(2, 3)), RGB)


def test_unknown_exif_choice_is_refused():
    with pytest.raises(ValueError, match="exif='yes'.*apply"):
        read_image("x.png", exif="yes")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"gone\.png.*no such file; check the path"
    ):
        read_image(tmp_path / "gone.png")


def test_file_that_is_no_image_is_named(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("some words")
    with pytest.raises(OSError, match=r"notes\.jpg.*not an image"):
        read_image(path)


def test_cut_file_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, [64, 64, 3], dtype=np.uint8)
    path = saved(tmp_path, noise, name="cut.jpg")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(OSError, match=r"cut\.jpg.*damaged"):
        read_image(path)


def test_real_nucleus_file_is_rgba_and_loads_as_rgb(shared):
    folder = shared / "data" / "nucleus" / "stage1_train"
    path = next(folder.glob("*/images/*.png"))
    assert mode_of(path) == "RGBA"
    assert read_image(path).shape[-1] == 3
