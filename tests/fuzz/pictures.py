"""Pictures of every file format, damaged, and read as images, sizes and masks."""

from __future__ import annotations

import functools
import io
import re
import struct
import zlib
from pathlib import Path
from random import Random

import numpy as np
import tifffile
from PIL import Image

from mrcnn.data import AnnotatedDataset, LabelValue, MaskFile, read_image
from tests.fuzz.case import Case
from tests.fuzz.damage import Damaged, damage_bytes

HEIGHT, WIDTH = 41, 67
SIDES = (0, 1, 16, WIDTH - 1, WIDTH + 1, 5000, 65500, 2**20, 2**31 - 1)
MODES = {
    "png": ("L", "RGB", "RGBA", "P", "1", "LA", "I;16"),
    "jpg": ("L", "RGB", "CMYK"),
    "gif": ("P", "L"),
    "bmp": ("L", "RGB", "P"),
    "webp": ("RGB", "RGBA"),
    "tif": ("L", "RGB", "RGBA", "I;16", "F", "CMYK"),
}
TIFF_FORMS = {
    "stack": {"shape": [3, HEIGHT, WIDTH]},
    "channels": {"shape": [HEIGHT, WIDTH, 5], "photometric": "minisblack"},
    "planar": {"shape": [3, HEIGHT, WIDTH], "planarconfig": "separate"},
    "uint32": {"shape": [HEIGHT, WIDTH], "dtype": np.uint32},
    "float64": {"shape": [HEIGHT, WIDTH], "dtype": np.float64},
    "tiled": {"shape": [HEIGHT, WIDTH], "tile": [16, 16]},
}


def picture_case(rng: Random, folder: Path) -> Case:
    """Returns a damaged picture, read in one of the ways that there are."""
    suffix = rng.choice(list(MODES))
    path = folder / f"picture.{suffix}"
    path.write_bytes(good := good_picture(suffix, rng))
    damaged = damage_picture(path, rng)
    if damaged.told.startswith("named"):
        path = path.rename(folder / damaged.told.split()[-1])
    path.write_bytes(damaged.content)
    name, read = rng.choice(list(READERS.items()))
    return Case(
        f"{path.name} by {name}: {damaged.told}",
        functools.partial(read, path),
        [path.name],
        functools.partial(_fault, reader=name, damaged=damaged, good=good),
    )


def _size_of(path: Path) -> tuple[int, int]:
    dataset = AnnotatedDataset()
    dataset.add_image("fuzz", 1, str(path))
    return dataset.image_size(0)


READERS = {
    "read_image": read_image,
    "read_image as annotated": lambda path: read_image(path, (WIDTH, HEIGHT)),
    "image_size": _size_of,
    "MaskFile": lambda path: MaskFile(str(path)).crop(HEIGHT, WIDTH),
    "LabelValue": lambda path: LabelValue(str(path), value=3).crop(HEIGHT, WIDTH),
}


def _fault(result, told, reader: str, damaged: Damaged, good: bytes) -> str | None:
    """Returns what is wrong with what a damaged picture was read as."""
    if reader == "image_size":
        return None if min(result) > 0 else f"a size of {result}"
    if reader in ("MaskFile", "LabelValue"):
        (y1, x1, y2, x2), mask = result
        is_whole = mask.dtype == bool and mask.shape == (y2 - y1, x2 - x1)
        return None if is_whole else f"{mask.dtype} {mask.shape} in the box {result[0]}"
    if result.dtype != np.uint8 or result.ndim != 3 or result.shape[2] != 3:
        return f"{result.dtype} {result.shape}"
    if damaged.told.startswith("cut") and not told:
        # What the lost part held may be no pixels.
        with Image.open(io.BytesIO(good)) as image:
            same = image.size == result.shape[1::-1]
            if not same or (image.mode == "RGB" and np.any(image != result)):
                return "the file was cut, and nobody says so"
    return None


def good_picture(suffix: str, rng: Random) -> bytes:
    """Returns the bytes of a picture of noise, in one of the forms of its format."""
    array = np.random.default_rng(rng.randrange(9)).integers(0, 256, [HEIGHT, WIDTH, 4])
    file = io.BytesIO()
    if suffix == "tif" and rng.random() < 0.4:
        form = dict(TIFF_FORMS[rng.choice(list(TIFF_FORMS))])
        shape, dtype = form.pop("shape"), form.pop("dtype", np.uint8)
        tifffile.imwrite(file, np.resize(array, shape).astype(dtype), **form)
        return file.getvalue()
    mode = rng.choice(MODES[suffix])
    image = Image.fromarray(array.astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray((array[..., 0] * 256).astype(np.uint16))
    elif mode == "CMYK":
        image = image.convert("RGB").convert(mode)
    else:
        image = image.convert("L" if mode == "F" else "RGB").convert(mode)
    options = {}
    if suffix == "tif":
        options["compression"] = rng.choice([None, "tiff_lzw", "tiff_adobe_deflate"])
    if suffix in ("gif", "webp", "tif") and rng.random() < 0.2:
        options |= {"save_all": True, "append_images": [image.transpose(1)]}
    image.save(file, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix), **options)
    return file.getvalue()


def damage_picture(path: Path, rng: Random) -> Damaged:
    """Returns the content of a file with damage done to its bytes, header or name."""
    content = path.read_bytes()
    match rng.choice(["bytes", "bytes", "head", "size", "size", "name", "other"]):
        case "head":
            head = damage_bytes(content[:200], rng)
            return head._replace(content=head.content + content[200:], removes=True)
        case "size":
            sides = rng.choice(SIDES), rng.choice(SIDES)
            if rng.random() < 0.5:
                sides = (sides[0], rng.choice([HEIGHT, 96]))
            claimed = claim_size(content, *sides)
            if claimed is not None:
                return Damaged(claimed, f"claims a size of {sides}", True)
        case "name":
            suffix = rng.choice([*MODES, "txt", "jpeg", "JPG", "npy"])
            return Damaged(content, f"named picture.{suffix}", True)
        case "other":
            what = rng.choice(list(OTHERS))
            return Damaged(OTHERS[what], f"replaced by {what}", True)
    return damage_bytes(content, rng)


def _other_pictures() -> dict[str, bytes]:
    def saved(array, kind):
        file = io.BytesIO()
        Image.fromarray(array).save(file, kind)
        return file.getvalue()

    npy = io.BytesIO()
    np.save(npy, np.zeros([3, 3]))
    return {
        "a picture of another size": saved(np.zeros([7, 9], np.uint8), "png"),
        "a picture in color": saved(np.zeros([96, 128, 3], np.uint8), "png"),
        "a picture of one pixel": saved(np.zeros([1, 1], np.uint8), "png"),
        "a web page": b"<!DOCTYPE html><html>404</html>",
        "text": b"pixels",
        "zeros": bytes(5000),
        "an svg": b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        "a NumPy array": npy.getvalue(),
        "a pdf": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
    }


OTHERS = _other_pictures()


def claim_size(content: bytes, width: int, height: int) -> bytes | None:
    """Returns a picture whose header says another size; None for other formats."""
    data = bytearray(content)
    if content.startswith(b"\x89PNG"):
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif content.startswith(b"GIF"):
        data[6:10] = struct.pack("<HH", width % 65536, height % 65536)
    elif content.startswith(b"BM"):
        data[18:26] = struct.pack("<ii", width, height)
    elif content.startswith(b"\xff\xd8"):
        found = re.search(rb"\xff[\xc0-\xc2]\x00.\x08", content)
        place = found.end() if found else 0
        data[place : place + 4] = struct.pack(">HH", height % 65536, width % 65536)
    elif content[:4] == b"II*\x00":
        (start,) = struct.unpack_from("<I", content, 4)
        (count,) = struct.unpack_from("<H", content, start)
        for i in range(count):
            place = start + 2 + 12 * i
            (tag,) = struct.unpack_from("<H", content, place)
            if tag in (256, 257):
                entry = (tag, 4, 1, width if tag == 256 else height)
                struct.pack_into("<HHII", data, place, *entry)
    else:
        return None
    return bytes(data)


KINDS = {"picture": picture_case}
