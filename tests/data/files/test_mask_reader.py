from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from mrcnn.data.files.mask_reader import MaskPage, read_pages
from mrcnn.data.files.mask_values import (
    class_numbers,
    label_numbers,
    object_mask,
    voc_colors,
)

MASK = np.zeros([40, 60], bool)
MASK[5:20, 8:30] = True
MASK[25:37, 40:52] = True
GREY = MASK.astype(np.uint8) * 255
LABELS = np.zeros([40, 60], np.uint8)
LABELS[5:20, 8:30] = 1
LABELS[5:20, 30:34] = 7  # touches 1
LABELS[25:37, 40:52] = 2
LABELS[30, 3] = 9  # one pixel
LABELS[33:35, 3] = 11


def palette(array, colors):
    image = Image.fromarray(np.asarray(array, np.uint8), "P")
    image.putpalette(np.ravel(colors).astype(int).tolist())
    return image


def layers(*channels):
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def save(folder, content, name="mask.png", **options):
    if isinstance(content, Image.Image):
        content.save(folder / name, **options)
    else:
        tifffile.imwrite(folder / name, content, **options)
    return folder / name


def mask_of(path):
    (page,) = read_pages(path)
    return object_mask(page)


VOID = np.where(MASK, 1, 0)  # an outline that belongs to nobody, as VOC has it
VOID[4, 7:31] = VOID[20, 7:31] = 255
NOISE = np.random.default_rng(0).integers(0, 255, [3, *MASK.shape])
WHITE, BLACK = [255, 255, 255], [0, 0, 0]
IMAGES = {
    "palette": palette(MASK, [BLACK, WHITE]),
    "white first": palette(~MASK, [WHITE, BLACK]),
    "white first of 256": palette(~MASK, [WHITE] + [BLACK] * 255),
    "light color first": palette(~MASK, [[255, 255, 0], [0, 0, 90]]),
    "dark red": palette(MASK, [BLACK, [128, 0, 0]]),
    "color": layers(GREY // 2, MASK * 0, MASK * 0),
    "two colors": layers(255 - GREY, GREY, MASK * 0),  # green on red
    "black, in alpha": layers(MASK * 0, GREY),
    "white, in alpha": layers(GREY * 0 + 255, GREY),
    "one color, in alpha": layers(*[MASK * 0 + 90] * 3, GREY),
    "photograph, in alpha": layers(*NOISE, GREY),
    "in both": layers(GREY, GREY, GREY, GREY),
    "opaque": layers(GREY, MASK * 0 + 255),
    "transparent": layers(GREY, MASK * 0),
    "half of the background transparent": layers(
        GREY, np.where(MASK | (np.indices(MASK.shape)[0] > 20), 255, 0)
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_two_colors_and_alpha(tmp_path, name):
    np.testing.assert_array_equal(mask_of(save(tmp_path, IMAGES[name])), MASK)


def test_transparent_color_of_a_palette_is_no_object(tmp_path):
    image = palette(MASK, [WHITE, WHITE])
    path = save(tmp_path, image, transparency=0)
    np.testing.assert_array_equal(mask_of(path), MASK)


@pytest.mark.parametrize("used", [0, 1])
def test_palette_of_two_colors_of_which_one_is_used(tmp_path, used):
    path = save(tmp_path, palette(MASK * 0 + used, [WHITE, BLACK]))
    assert mask_of(path).all() == (used == 0) and mask_of(path).any() == (used == 0)


def test_palette_of_several_colors_counts_by_index(tmp_path):
    colors = [[200, 200, 200], [9, 90, 9], [255, 0, 0]]  # the background is light
    path = save(tmp_path, palette(np.where(LABELS == 2, 2, MASK), colors))
    np.testing.assert_array_equal(mask_of(path), MASK)


@pytest.mark.parametrize(
    "array",
    [
        MASK,
        MASK.astype(np.uint8),
        GREY,
        MASK.astype(np.uint16) * 500,
        MASK.astype(np.int16),
        MASK.astype(np.int32),
        MASK.astype(np.uint64),
        MASK.astype(np.float32),
        MASK.astype(np.float64) * 0.3,
        -MASK.astype(np.int8),
    ],
    ids=lambda array: f"{array.dtype}-{array.max()}",
)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_values_of_a_tiff_are_those_it_stores(tmp_path, array, photometric):
    path = save(tmp_path, array, "mask.tif", photometric=photometric)
    np.testing.assert_array_equal(mask_of(path), MASK)


def test_labels_of_a_tiff_that_shows_0_white(tmp_path):
    path = save(tmp_path, LABELS, "labels.tif", photometric="miniswhite")
    np.testing.assert_array_equal(label_numbers(read_pages(path)[0]), LABELS)


def soft(kind, tmp_path):
    if kind.startswith("jpeg"):
        Image.fromarray(GREY).save(tmp_path / "a.jpg", quality=int(kind[4:]))
        return Image.open(tmp_path / "a.jpg")
    if kind.startswith("blur"):
        return Image.fromarray(cv2.GaussianBlur(GREY, (0, 0), float(kind[4:])))
    if kind == "palette":
        return soft("blur1", tmp_path).convert("P").quantize(20)
    if kind == "color":
        return soft("blur1", tmp_path).convert("RGB")
    small = Image.fromarray(GREY).resize((30, 20), Image.Resampling.BILINEAR)
    return small.resize((60, 40), Image.Resampling.BILINEAR)


KINDS = (
    "jpeg20",
    "jpeg50",
    "jpeg95",
    "blur0.6",
    "blur2",
    "resized",
    "palette",
    "color",
)


@pytest.mark.parametrize("kind", KINDS)
def test_soft_edges_are_cut_at_half_and_are_no_labels(tmp_path, kind):
    image = soft(kind, tmp_path)
    path = save(tmp_path, image)
    # Corners are rounded off by what blurs them.
    assert np.count_nonzero(mask_of(path) ^ MASK) <= 24
    half = np.asarray(image.convert("L")) > 127
    assert np.count_nonzero(mask_of(path) ^ half) <= 2
    with pytest.raises(ValueError, match="no labels: the .* change little by little"):
        label_numbers(read_pages(path)[0])


def test_soft_edges_of_16_bits_and_of_fractions(tmp_path):
    edges = cv2.GaussianBlur(MASK.astype(np.float32), (0, 0), 0.6)
    for array in (edges, edges * 4e4, (edges * 4e4).astype(np.uint16)):
        path = save(tmp_path, array, "mask.tif")
        np.testing.assert_array_equal(mask_of(path), edges > 0.5)


def test_jpeg_file_is_cut_at_half(tmp_path):
    path = save(tmp_path, Image.fromarray(GREY), "mask.jpg", quality=60)
    np.testing.assert_array_equal(mask_of(path), MASK)
    with pytest.raises(ValueError, match="no labels"):
        label_numbers(read_pages(path)[0])


def test_void_is_no_bright_side_of_a_mask(tmp_path):
    path = save(tmp_path, Image.fromarray(VOID.astype(np.uint8)))
    np.testing.assert_array_equal(mask_of(path), VOID > 0)
    assert label_numbers(read_pages(path)[0]).tolist() == VOID.tolist()


@pytest.mark.parametrize("scale", [1, 20, 200])
def test_labels_are_not_taken_for_soft_edges(tmp_path, scale):
    labels = LABELS.astype(np.uint16) * scale
    path = save(tmp_path, Image.fromarray(labels))
    np.testing.assert_array_equal(label_numbers(read_pages(path)[0]), labels)
    np.testing.assert_array_equal(mask_of(path), labels > 0)


def test_labels_near_two_values_are_no_noise():
    labels = np.zeros([40, 90], np.uint8)
    for i, number in enumerate((1, 2, 3, 4, 200, 201, 202, 203)):
        labels[5:30, 10 * i + 3 : 10 * i + 10] = number
    np.testing.assert_array_equal(label_numbers(MaskPage(labels)), labels)
    np.testing.assert_array_equal(class_numbers(MaskPage(labels)), labels)


def test_black_is_the_background_wherever_its_place_in_a_palette(tmp_path):
    colors = np.array([[200, 0, 0], BLACK, [0, 200, 0], [0, 0, 200]])
    order = np.array([1, 0, 2, 3])
    for background, right in ((1, order), (0, np.arange(4))):
        indices = np.full([30, 40], background)
        indices[3:9, 3:9], indices[3:9, 20:30], indices[20:26, 5:15] = {0, 1, 2, 3} - {
            background
        }
        path = save(tmp_path, palette(indices, colors))
        found = label_numbers(read_pages(path)[0])
        np.testing.assert_array_equal(found, right[indices])
        np.testing.assert_array_equal(mask_of(path), indices != background)


def test_parts_of_soft_labels_that_a_cut_would_lose_are_told():
    labels = np.zeros([60, 90], np.uint8)
    for i, number in enumerate((40, 80, 120, 240)):
        labels[20:35, 20 * i + 5 : 20 * i + 20] = number
    soft = cv2.GaussianBlur(labels, (0, 0), 1.5)
    with pytest.raises(ValueError, match="2 of 3 connected parts .* Save the labels"):
        class_numbers(MaskPage(soft))
    both = cv2.GaussianBlur((labels > 0) * np.uint8(255), (0, 0), 1.5)
    assert class_numbers(MaskPage(both)).max() == 1


@pytest.mark.parametrize("seed", range(3))
def test_labels_without_background_between_them_are_no_soft_edges(tmp_path, seed):
    # 300 cells of 8 px, each pixel the number of its nearest point.
    points = np.random.default_rng(seed).uniform(0, (40, 60), (300, 2))
    places = np.moveaxis(np.indices(MASK.shape), 0, -1)[..., None, :]
    labels = ((places - points) ** 2).sum(axis=-1).argmin(axis=-1).astype(np.uint16)
    path = save(tmp_path, Image.fromarray(labels))
    np.testing.assert_array_equal(label_numbers(read_pages(path)[0]), labels)


def test_labels_resized_by_interpolation_are_refused(tmp_path):
    image = Image.fromarray(LABELS * 20).resize((120, 80), Image.Resampling.BILINEAR)
    with pytest.raises(ValueError, match="pass separate=True"):
        label_numbers(read_pages(save(tmp_path, image))[0])


def test_labels_of_floats_and_in_color_of_16_bits(tmp_path):
    path = save(tmp_path, LABELS.astype(np.float32), "labels.tif")
    np.testing.assert_array_equal(label_numbers(read_pages(path)[0]), LABELS)
    deep = LABELS.astype(np.uint16) * 3  # the high byte of all is 0
    cv2.imwrite(str(tmp_path / "labels.png"), np.stack([deep] * 3, axis=-1))
    path = tmp_path / "labels.png"
    np.testing.assert_array_equal(label_numbers(read_pages(path)[0]), deep)
    np.testing.assert_array_equal(mask_of(path), deep > 0)


@pytest.mark.parametrize("value", [-1, 0.5, np.nan, np.inf])
def test_labels_that_are_no_whole_numbers_are_refused(tmp_path, value):
    labels = LABELS.astype(np.float32)
    labels[LABELS == 2] = value
    path = save(tmp_path, labels, "labels.tif")
    with pytest.raises(ValueError, match="labels are whole numbers from 0"):
        label_numbers(read_pages(path)[0])


def test_mask_of_values_that_are_no_numbers_is_refused(tmp_path):
    path = save(tmp_path, np.where(MASK, np.nan, 0).astype(np.float32), "mask.tif")
    with pytest.raises(ValueError, match="no numbers"):
        mask_of(path)


VOC = np.array([0, 1, 2, 255])[np.minimum(LABELS, 3)]


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(voc_colors()[VOC]),
        palette(VOC, voc_colors()),
        # Unused colors are left out, and the others are in another order.
        palette(VOC, voc_colors()).remap_palette([255, 2, 1, 0]),
    ],
    ids=["color", "palette", "reordered"],
)
def test_colors_of_voc_are_its_numbers(tmp_path, image):
    path = save(tmp_path, image)
    np.testing.assert_array_equal(label_numbers(read_pages(path)[0]), VOC)


def test_palette_of_voc_is_that_of_its_development_kit():
    colors = voc_colors()
    assert colors[[1, 2, 3, 15, 20]].tolist() == [
        *([128, 0, 0], [0, 128, 0], [128, 128, 0], [192, 128, 128], [0, 64, 128])
    ]
    assert colors[255].tolist() == [224, 224, 192]


STACK = np.stack([MASK, np.roll(MASK, 3, axis=0), LABELS == 2]).astype(np.uint8) * 255


@pytest.mark.parametrize("name", ["gif", "planes", "tif", "16 bits"])
def test_stack_has_a_page_a_mask(tmp_path, name):
    if name == "gif":
        first, *others = map(Image.fromarray, STACK)
        options = {"save_all": True, "append_images": others}
        path = save(tmp_path, first, "mask.gif", **options)
    elif name == "planes":  # what tifffile makes of [3, H, W] without a word
        options = {"photometric": "rgb", "planarconfig": "separate"}
        path = save(tmp_path, STACK, "mask.tif", **options)
    else:
        stack = STACK.astype(np.uint16 if name == "16 bits" else np.uint8)
        path = save(tmp_path, stack, "mask.tif", photometric="minisblack")
    masks = [object_mask(page) for page in read_pages(path)]
    np.testing.assert_array_equal(masks, STACK > 0)


def test_smaller_pages_are_thumbnails(tmp_path):
    with tifffile.TiffWriter(tmp_path / "mask.tif") as tiff:
        tiff.write(GREY)
        tiff.write(GREY[::2, ::2])
    np.testing.assert_array_equal(mask_of(tmp_path / "mask.tif"), MASK)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_files_are_named(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(NOISE[0].astype(np.uint8)).save(whole, "png")
    for name, content in {
        "cut.png": whole.getvalue()[:200],
        "text.png": b"no image",
        "empty.tif": b"",
        "header.tif": b"II*\x00\x08\x00\x00\x00",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OSError, match=f"{name}.*damaged or no image"):
            read_pages(tmp_path / name)
    save(tmp_path, np.zeros([5, 40, 60], np.uint8), "five.tif", planarconfig="separate")
    with pytest.raises(OSError, match="one channel, or color"):
        read_pages(tmp_path / "five.tif")
