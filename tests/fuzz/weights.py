"""Weight files of the three layouts, damaged, and loaded into a small model."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from pathlib import Path
from random import Random

import h5py
import numpy as np

from tests.fuzz.case import Case
from tests.fuzz.damage import damage_bytes, damage_json

SECRET = 12345.0  # in a file that a weight file must not read
BOMB = 1 << 28  # bytes of zeros


@functools.cache
def small_model():
    """A model with layers of our names, one in a model of its own; made once."""
    import keras

    features = keras.Input([None, None, 4])
    inner = keras.layers.Conv2D(4, 3, name="rpn_conv_shared")(features)
    rpn = keras.Model(features, inner, name="rpn_model")
    image = keras.Input([None, None, 3], name="input_image")
    x = keras.layers.Conv2D(4, 7, name="conv1")(image)
    x = keras.layers.BatchNormalization(name="bn_conv1")(x)
    x = rpn(keras.layers.Conv2D(4, 1, name="fpn_p2")(x))
    x = keras.layers.Conv2D(2, 1, name="mrcnn_class_logits")(x)
    return keras.Model(image, x, name="mask_rcnn")


def fill(value: float) -> None:
    for variable in small_model().weights:
        variable.assign(np.full(variable.shape, value))


@functools.cache
def good_file(ending: str) -> bytes:
    """The weights of the model as `ending` keeps them."""
    import tempfile

    from mrcnn.engine.weights.model_weights import save_weights

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"w{ending}"
        fill(0.5)
        if ending == ".h5":
            save_weights(small_model(), path)
        elif ending == ".keras":
            small_model().save(path)
        else:
            small_model().save_weights(path)
        return path.read_bytes()


def weights_case(rng: Random, folder: Path) -> Case:
    """Returns a damaged weight file, loaded into a model."""
    from mrcnn.engine import load_file

    ending = rng.choice([".h5", ".weights.h5", ".keras"])
    path = folder / f"file{ending}"
    content = good_file(ending)
    fill(0)
    if rng.random() < 0.3:
        content, told, _ = damage_bytes(content, rng)
        path.write_bytes(content)
    elif ending == ".keras" and rng.random() < 0.6:
        told = _damage_archive(path, content, rng)
    elif ending == ".keras":
        told = _damage_member(path, content, rng)
    else:
        path.write_bytes(content)
        told = _damage_hdf5(path, rng)
    strict = rng.random() < 0.7
    return Case(
        f"{path.name}, strict={strict}: {told}",
        functools.partial(_load, load_file, path, strict),
        [path.name],
        functools.partial(_fault, what=told),
    )


def _load(load_file, path: Path, strict: bool):
    """Loads a file; what is refused must not have changed the model."""
    model = small_model()
    try:
        return load_file(model, path, strict=strict), model.get_weights()
    except Exception:
        assert not any(np.any(w) for w in model.get_weights()), "changed the model"
        raise


def _fault(result, told, what: str) -> str | None:
    report, weights = result
    if "another file" in what and any(np.any(w == SECRET) for w in weights):
        return "it read another file into the model"
    if report.missing and not told:
        return f"nobody says that {report.missing} are missing"
    if "not finite" in what and not told:
        return "nobody says that weights are not finite"
    return None


def _damage_archive(path: Path, content: bytes, rng: Random) -> str:
    """Writes a .keras with one member damaged; returns what was done."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    match rng.choice(["json", "bytes", "remove", "bomb", "twice", "path"]):
        case "json" if name.endswith(".json"):
            damaged = damage_json(json.loads(members[name]), rng)
            members[name], told = damaged.content, damaged.told
        case "remove":
            del members[name]
            told = "removed"
        case "bomb":
            members[name] = bytes(BOMB if rng.random() < 0.1 else BOMB >> 4)
            told = "filled with zeros"
        case "twice":
            members[f"{name}.h5"] = members[name]
            told = "added a member to"
        case "path":
            members[f"../{name}"] = members.pop(name)
            told = "moved out"
        case _:
            members[name], told, _ = damage_bytes(members[name], rng)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    return f"{name}: {told}"


def _damage_member(path: Path, content: bytes, rng: Random) -> str:
    """Writes a .keras whose HDF5 file was edited; returns what was done."""
    inner = path.with_name("model.weights.h5")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    inner.write_bytes(members[inner.name])
    told = _damage_hdf5(inner, rng)
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in members.items():
            archive.writestr(key, inner.read_bytes() if key == inner.name else value)
    inner.unlink()
    return told


def _damage_hdf5(path: Path, rng: Random) -> str:
    """Edits an HDF5 file in place; returns what was done."""
    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        is_tensor = {name: isinstance(file[name], h5py.Dataset) for name in names}
        tensor = rng.choice([n for n in names if is_tensor[n]])
        group = rng.choice([n for n in names if not is_tensor[n]] + ["/"])
        edit = rng.choice(list(EDITS))
        return f"{edit} {EDITS[edit](file, tensor, group, rng)}"


def _replace(file, name: str, value, **options) -> str:
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, data=value, **options)
    file[name].attrs.update(attributes)
    return f"{name} by {np.asarray(value).dtype} {np.shape(value)}"


def _shape(file, tensor, group, rng):
    shape = file[tensor].shape
    shapes = [(), (0,), shape[::-1], (*shape, 1), shape[1:], (2, *shape)]
    return _replace(file, tensor, np.zeros(rng.choice(shapes), np.float32))


def _dtype(file, tensor, group, rng):
    value = np.ones(file[tensor].shape)
    kinds = ["f2", "f8", "i1", "i8", "?", "c8", "S3", [("a", "f4")]]
    return _replace(file, tensor, value.astype(rng.choice(kinds)))


def _not_finite(file, tensor, group, rng):
    value = np.full(file[tensor].shape, rng.choice([np.nan, np.inf]), np.float32)
    return _replace(file, tensor, value)


def _claimed(file, tensor, group, rng):
    del file[tensor]
    shape = rng.choice([[2**40], [2**20, 2**20], [2**30]])
    file.create_dataset(tensor, shape, "f4", chunks=(1024,) * len(shape))
    return f"{tensor} as {shape}"


def _texts(file, tensor, group, rng):
    del file[tensor]
    file.create_dataset(tensor, data=rng.choice(["text", ["a", "b"], b"x"]))
    return tensor


def _external(file, tensor, group, rng):
    """Lets a tensor or group be read from another file, in one of the ways."""
    folder, shape = Path(file.filename).parent, file[tensor].shape
    secret = np.full(shape, SECRET, np.float32)
    (folder / "secret.bin").write_bytes(secret.tobytes())
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"], other["group"] = secret, np.zeros(1)
    del file[tensor]
    match rng.choice(["storage", "link", "virtual", "group"]):
        case "storage":
            source = [(str(folder / "secret.bin"), 0, secret.nbytes)]
            file.create_dataset(tensor, shape, "f4", external=source)
        case "link":
            file[tensor] = h5py.ExternalLink(str(folder / "secret.h5"), "/x")
        case "virtual":
            layout = h5py.VirtualLayout(shape, "f4")
            layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", shape)
            file.create_virtual_dataset(tensor, layout)
        case "group" if group != "/" and group in file:
            del file[group]
            file[group] = h5py.ExternalLink(str(folder / "secret.h5"), "/")
    return f"for {tensor}"


def _link(file, tensor, group, rng):
    del file[tensor]
    target = rng.choice(["/nowhere", f"/{tensor}", "/", f"/{group}"])
    file[tensor] = h5py.SoftLink(target)
    return f"from {tensor} to {target}"


def _circle(file, tensor, group, rng):
    file[group]["again"] = file[rng.choice(["/", group])]
    return f"in {group}"


def _missing(file, tensor, group, rng):
    name = rng.choice([tensor, group])
    if name != "/":
        del file[name]
    return name


def _added(file, tensor, group, rng):
    file[group].create_dataset("added/vars/0", data=np.zeros(3))
    return f"to {group}"


def _attribute(file, tensor, group, rng):
    owners = [n for n in ("/", group, tensor) if len(file[n].attrs)]
    owner = rng.choice(owners or ["/"])
    key = rng.choice(list(file[owner].attrs) or ["layer_names"])
    values = [3, "text", b"\xff\xfe", np.zeros([2, 2]), [b"\xff"], ["conv1"] * 3, ""]
    if rng.random() < 0.3 and key in file[owner].attrs:
        del file[owner].attrs[key]
        return f"{key} of {owner} removed"
    file[owner].attrs[key] = value = rng.choice(values)
    return f"{key} of {owner} = {value!r}"


EDITS = {
    "another shape of": _shape,
    "another dtype of": _dtype,
    "not finite": _not_finite,
    "claimed": _claimed,
    "texts in": _texts,
    "another file": _external,
    "a link": _link,
    "a circle": _circle,
    "missing": _missing,
    "added": _added,
    "attribute": _attribute,
}
KINDS = {"weights": weights_case}
