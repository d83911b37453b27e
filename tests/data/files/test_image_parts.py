"""Large and damaged files: read in parts, refused by name, never raw."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.data import ImageTooLargeError, open_parts, read_image
from mrcnn.data.files.open_images import (
    EXIF_ORIENTATION,
    open_image,
    orientation_of,
    stored_box,
    turn,
)
from tests.fuzz.pictures import claim_size

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, [64, 90, 3], dtype=np.uint8)


@pytest.fixture
def small_limit(monkeypatch):
    """Pillow would refuse images of more than 2000 px."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)


@pytest.mark.filterwarnings("error")
def test_the_limit_of_pillow_does_not_count(tmp_path, small_limit):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), NOISE)
    parts = open_parts(tmp_path / "a.png", in_parts=True)
    np.testing.assert_array_equal(parts[3:60, 2:80], NOISE[3:60, 2:80])
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_more_pixels_than_allowed_are_refused_with_the_switch(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "a.png")
    text = r"a\.png.*64 x 90 px.*max_pixels=.*--max-pixels"
    with pytest.raises(ImageTooLargeError, match=text):
        read_image(tmp_path / "a.png", max_pixels=5000)
    for more in (64 * 90, None):
        assert read_image(tmp_path / "a.png", max_pixels=more).shape == (64, 90, 3)


@pytest.mark.parametrize(
    "how", [{}, {"compression": "zlib", "tile": (64, 64)}, {"rowsperstrip": 10}]
)
def test_a_tiff_of_any_size_is_read_in_parts(tmp_path, how):
    """Of 24 MB a part of 12 kB needs less than 3 MB."""
    path = tmp_path / "slide.tif"
    slide = np.zeros([3000, 8000], np.uint8)
    slide[2000:2064, 7000:7090] = NOISE[..., 0]
    tifffile.imwrite(path, slide, **how)
    del slide
    with pytest.raises(ImageTooLargeError):
        read_image(path, max_pixels=10**6)
    tracemalloc.start()
    parts = open_parts(path, in_parts=True, max_pixels=10**6)
    found = parts[2000:2064, 7000:7090]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(found, np.repeat(NOISE[..., :1], 3, axis=-1))
    assert parts.shape == (3000, 8000, 3) and most < 3e6


def test_all_parts_have_the_range_of_the_whole(tmp_path):
    deep = np.zeros([64, 90], np.uint16)
    deep[:32], deep[40, 50] = 200, 4000
    tifffile.imwrite(tmp_path / "a.tif", deep)
    for in_parts in (True, False):
        parts = open_parts(tmp_path / "a.tif", image_range="auto", in_parts=in_parts)
        assert parts[:8, :8].max() == 200 >> 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_part_of_a_turned_image_is_the_turned_part(orientation):
    y1, x1, y2, x2 = 7, 11, 30, 52
    seen = turn(NOISE, orientation)[y1:y2, x1:x2]
    top, left, bottom, right = stored_box((y1, x1, y2, x2), (64, 90), orientation)
    part = turn(NOISE[top:bottom, left:right], orientation)
    np.testing.assert_array_equal(part, seen)


def save(path, **kwargs):
    Image.fromarray(NOISE).save(path, **kwargs)


def save_deep(path, **kwargs):
    tifffile.imwrite(path, NOISE[..., 0].astype(np.uint16) * 257, **kwargs)


FILES = {
    "a.png": save,
    "a.jpg": save,
    "a.bmp": save,
    "a.gif": save,
    "a.webp": save,
    "a.tif": save,
    "lzw.tif": lambda path: save(path, compression="tiff_lzw"),
    "deep.tif": save_deep,
    "deflate.tif": lambda path: save_deep(path, compression="zlib", rowsperstrip=8),
    "deep.png": lambda path: Image.fromarray(NOISE[..., 0] * np.uint16(257)).save(path),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.9])
def test_a_cut_file_is_named_never_read(tmp_path, name, share):
    path = tmp_path / name
    FILES[name](path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    for in_parts in (False, True):
        with pytest.raises(OSError, match=path.stem):
            np.asarray(open_parts(path, in_parts=in_parts))


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_raise_nothing_but_named_errors(tmp_path):
    rng = np.random.default_rng(1)
    for name, write in FILES.items():
        write(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        for _ in range(25):
            spoilt = bytearray(content)
            for place in rng.integers(0, min(len(content), 300), 4):
                spoilt[place] = rng.integers(0, 256)
            (tmp_path / name).write_bytes(spoilt)
            try:
                read_image(tmp_path / name, max_pixels=10**6)
            except (OSError, ValueError) as error:
                assert name in str(error)


def test_the_content_counts_not_the_ending(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    save_deep(tmp_path / "b.tif")
    (tmp_path / "b.tif").rename(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), NOISE)
    assert read_image(tmp_path / "b.png").max() == NOISE[..., 0].max()


def test_a_stack_that_imagej_keeps_in_one_page_is_refused(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([NOISE[..., 0]] * 5), imagej=True)
    with pytest.raises(ValueError, match=r"stack\.tif.*stack of 5 images"):
        read_image(path)
    with tifffile.TiffWriter(path) as file:  # the large image is not the first
        file.write(NOISE[::2, ::2, 0])
        file.write(NOISE[..., 0])
    with pytest.raises(ValueError, match="stack of 2 images"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_of_an_animation_the_first_image_is_read_and_that_is_said(tmp_path, name):
    frames = [Image.new("RGB", (9, 6), color) for color in ("white", "black")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=f"{name}.*animation of 2 images"):
        assert read_image(tmp_path / name).min() > 250


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(FileNotFoundError, match="is a folder"):
        read_image(tmp_path)


def test_a_png_that_claims_to_be_huge_is_not_decoded_for_its_note(tmp_path):
    save(tmp_path / "a.png")
    content = claim_size((tmp_path / "a.png").read_bytes(), 2**20, 2**20)
    (tmp_path / "a.png").write_bytes(content)
    begin = time.process_time()
    with open_image(tmp_path / "a.png", max_pixels=None) as image:
        assert image.size == (2**20, 2**20)
    with pytest.raises(ImageTooLargeError), open_image(tmp_path / "a.png"):
        pass
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_note_of_a_png_is_found_before_and_behind_its_pixels(tmp_path, is_behind):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.new("RGB", (9, 5)).save(tmp_path / "a.png", exif=exif)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    rest = content[:start] + content[end:-12]
    if is_behind:
        content = rest + content[start:end] + content[-12:]
        (tmp_path / "a.png").write_bytes(content)
    with open_image(tmp_path / "a.png") as image:
        assert orientation_of(image) == 6


def test_open_image_gives_the_header_without_decoding(tmp_path):
    save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[:200])
    with open_image(tmp_path / "a.png") as image:
        assert image.size == (90, 64)
