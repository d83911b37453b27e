"""The training of the network that ships: stains, pieces, augmentation, the command."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from mrcnn.data.augmentation.augment import augment
from mrcnn.engine.weights.bundled import set_for_training
from mrcnn.geometry.resize_plan import plan_resize
from tests.samples.conftest import SAMPLES
from tests.samples.test_nucleus import write_picture

NAMES = ("train_shipped", "nucleus", "stains")


@pytest.fixture(scope="module")
def scripts():
    """The three scripts by name; they import each other from their own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SAMPLES / "nucleus")
        for name in NAMES:
            patch.delitem(sys.modules, name, raising=False)
        found = {name: importlib.import_module(name) for name in NAMES}
        yield found
        for name in NAMES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def shipped(scripts):
    return scripts["train_shipped"]


def fluorescence(height=96, width=144):
    """(picture, nuclei): bright discs on a dark ground, and where they are."""
    y, x = np.mgrid[:height, :width]
    nuclei = np.zeros((height, width), bool)
    for top, left, radius in ((25, 30, 12), (60, 90, 15), (70, 30, 10), (20, 110, 9)):
        nuclei |= (y - top) ** 2 + (x - left) ** 2 <= radius**2
    noise = np.random.default_rng(0).normal(0, 3, nuclei.shape)
    light = np.clip(np.where(nuclei, 150, 12) + noise, 0, 255).astype(np.uint8)
    return np.repeat(light[..., None], 3, axis=2), nuclei


def share_darker(image, nuclei):
    """How often a pixel of a nucleus is darker than one of the ground, ratio."""
    grey = image.mean(axis=2)
    inside, outside = np.sort(grey[nuclei]), grey[~nuclei]
    return float(np.mean(np.searchsorted(inside, outside) / len(inside)))


def test_a_stained_picture_has_dark_nuclei_on_a_light_ground_in_color(scripts):
    picture, nuclei = fluorescence()
    assert share_darker(picture, nuclei) == 0
    darker, light, spread = [], [], []
    for seed in range(40):
        seen = scripts["stains"].stained(picture, np.random.default_rng(seed))
        assert seen.dtype == np.uint8 and seen.shape == picture.shape
        darker.append(share_darker(seen, nuclei))
        light.append(np.median(seen[~nuclei]))
        spread.append(np.mean(seen.max(axis=2).astype(int) - seen.min(axis=2)))
    assert np.median(darker) > 0.99 and np.mean(np.array(darker) > 0.9) >= 0.9
    assert min(light) > 128 and min(spread) > 10
    # Slides differ from each other.
    assert np.ptp(light) > 40 and np.ptp(spread) > 30


def test_noise_is_not_stained_like_nuclei(scripts, monkeypatch):
    noise = np.random.default_rng(0).normal(8, 1, (96, 144, 1)).repeat(3, axis=2)
    noise, (picture, _) = noise.astype(np.uint8), fluorescence()
    stains = scripts["stains"]

    def seen(image, seed):
        return stains.stained(image, np.random.default_rng(seed)).astype(int)

    faint, clear = ([seen(image, s) for s in range(10)] for image in (noise, picture))
    monkeypatch.setattr(stains, "FAINTEST", 1e-9)
    for seed in range(10):
        assert seen(noise, seed).mean() < faint[seed].mean() - 2
        assert np.array_equal(seen(picture, seed), clear[seed])


def test_a_stain_is_a_function_of_the_picture_and_the_randomness(scripts):
    picture, _ = fluorescence()
    before = picture.copy()
    stained = scripts["stains"].stained
    one, again, other = (stained(picture, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize("shape", [(40, 64), (1, 5), (3, 2)])
@pytest.mark.parametrize("level", [0, 77, 255])
@pytest.mark.filterwarnings("error")
def test_a_picture_of_nothing_can_be_stained(scripts, shape, level):
    picture = np.full((*shape, 3), level, np.uint8)
    for seed in range(5):
        seen = scripts["stains"].stained(picture, np.random.default_rng(seed))
        assert seen.shape == picture.shape and seen.mean() > 50


@pytest.mark.parametrize("side", [1, 256, 383, 384, 385, 576, 577, 696, 1024, 1388])
def test_pieces_along_a_side_reach_its_end_and_overlap(shipped, side):
    first = shipped.starts(side)
    assert first[0] == 0
    assert first[-1] == max(0, side - shipped.PIECE)
    assert len(first) == 1 or side > shipped.PIECE
    steps = np.diff(first)
    assert (steps > 0).all()
    assert (steps <= shipped.PIECE - shipped.OVERLAP).all()


@pytest.mark.parametrize("size", [(256, 320), (520, 696), (384, 1000), (1024, 1024)])
def test_pieces_cover_every_pixel(shipped, size):
    seen = np.zeros(size, int)
    for window in shipped.windows(*size):
        assert seen[window].shape == tuple(min(side, shipped.PIECE) for side in size)
        seen[window] += 1
    assert seen.min() >= 1


@pytest.fixture
def folder(scripts, tmp_path, monkeypatch):
    """Pictures of 48 x 72 px: two to train on, two for validation, one of neither."""
    monkeypatch.setattr(scripts["nucleus"], "VAL_IMAGE_IDS", ["b", "d"])
    monkeypatch.setattr(scripts["train_shipped"], "TRAIN_IMAGE_IDS", ["a", "c"])
    for number, name in enumerate("abcde"):
        write_picture(tmp_path / "stage1_train", name, number, number)
    return tmp_path


@pytest.fixture
def pieces(scripts, shipped, folder, monkeypatch):
    """(pictures, the same in pieces of 32 px): 2 x 4 pieces of each."""
    monkeypatch.setattr(shipped, "PIECE", 32)
    monkeypatch.setattr(shipped, "OVERLAP", 16)
    whole, cut = scripts["nucleus"].NucleusDataset(), shipped.PiecesDataset()
    for dataset in (whole, cut):
        dataset.load_nucleus(folder, "train")
        dataset.prepare()
    return whole, cut


def test_it_learns_from_the_pictures_of_its_list_and_no_others(pieces):
    whole, cut = pieces
    assert [info["id"] for info in whole.image_info] == ["a", "c", "e"]
    assert [info["id"] for info in cut.image_info] == 8 * ["a"] + 8 * ["c"]


@pytest.mark.parametrize("command", [False, True])
def test_pictures_of_the_list_that_are_missing_are_named(
    shipped, straw, folder, monkeypatch, capsys, command
):
    monkeypatch.setattr(shipped, "TRAIN_IMAGE_IDS", ["a", "gone", "c", "lost"])
    if not command:
        with pytest.raises(FileNotFoundError, match="2 of the 4 .*'gone', 'lost'"):
            shipped.PiecesDataset().load_nucleus(folder, "train")
        return
    with pytest.raises(SystemExit):
        shipped.main(["--dataset", str(folder)])
    err = capsys.readouterr().err
    assert f"--dataset {folder}: " in err and "'gone'" in err and not straw


def test_the_list_is_all_of_the_shared_pictures_but_those_of_validation(
    scripts, shipped, shared
):
    ids = shipped.TRAIN_IMAGE_IDS
    assert len(ids) == 147 and ids == sorted(set(ids))
    data = shared / "data" / "nucleus"
    whole = scripts["nucleus"].make_dataset(data, "train")
    assert ids == [info["id"] for info in whole.image_info]
    cut = shipped.PiecesDataset()
    cut.load_nucleus(data, "train")
    # The order is part of the recipe: batches are drawn by number.
    assert cut.image_info == whole.image_info


def test_a_piece_shows_what_the_picture_shows_there(pieces):
    whole, cut = pieces
    assert cut.num_images == 16 and cut.class_names == ["BG", "nucleus"]
    windows, nuclei = [], 0
    for i in cut.image_ids:
        of = i // 8  # "e" comes last
        y, x = window = cut.image_info[i]["window"]
        windows.append((int(y.start), int(x.start)))
        assert np.array_equal(cut.load_image(i), whole.load_image(of)[window])
        there = whole.load_mask(of)[0][window]
        masks, class_ids = cut.load_mask(i)
        assert masks.shape[:2] == cut.load_image(i).shape[:2] == (32, 32)
        # Those that can be seen, in their order; the others aren't objects here.
        assert np.array_equal(masks, there[..., there.any(axis=(0, 1))])
        assert class_ids.tolist() == [1] * masks.shape[-1]
        nuclei += len(class_ids)
    expected = [(y, x) for y in (0, 16) for x in (0, 13, 26, 40)]
    assert windows == 2 * expected
    assert nuclei > 2 and len(cut.load_mask(0)[1]) == 0  # "a" has none


def test_augmentation_moves_masks_with_their_image(shipped):
    picture, nuclei = fluorescence()
    # Nuclei wherever a crop may fall, as the loader gives them: CROP x CROP px.
    picture, nuclei = (np.tile(a, [3, 2, 1][: a.ndim]) for a in (picture, nuclei))
    picture, nuclei = (a[: shipped.CROP, : shipped.CROP] for a in (picture, nuclei))
    masks = np.stack([nuclei, nuclei & (np.arange(256) < 100)], axis=-1)
    augmentation, clear, sizes, dark = shipped.make_augmentation(), [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        new = augment(picture, masks, np.ones(2, np.int32), augmentation, rng)
        # Of any other size the loader would enlarge or cut it once more.
        assert new.image.shape == (shipped.CROP, shipped.CROP, 3)
        assert new.mask.shape == (shipped.CROP, shipped.CROP, 2)
        share = share_darker(new.image, new.mask[..., 0])
        clear.append(max(share, 1 - share))
        dark.append(share > 0.5)
        sizes.append(distance_transform_edt(new.mask[..., 0]).max())
        assert not (new.mask[..., 1] & ~new.mask[..., 0]).any()
    # Faint stains and uneven light aside, they are told from the ground as before.
    assert np.median(clear) > 0.99 and np.mean(np.array(clear) > 0.9) > 0.8
    # Radii of 15 px, at half the size of detection: seen from 0.7 to 1.8 times 30 px.
    assert min(sizes) < 24 and max(sizes) > 46
    assert 0.2 < np.mean(dark) < 0.7  # some as if stained or inverted, not all


def test_what_the_network_sees_while_trained_holds_the_size_of_detection(shipped):
    training = shipped.ShippedNucleusConfig()
    scales = [training.IMAGE_MAX_DIM / side for side in shipped.VIEWS]
    scale = shipped.ShippedNucleusInferenceConfig().IMAGE_MIN_SCALE
    assert min(scales) < 0.75 * scale and max(scales) > 1.5 * scale


def test_masks_that_are_not_moved_would_be_seen(shipped):
    picture, nuclei = fluorescence()
    share = share_darker(picture, np.rot90(nuclei, 2))
    assert max(share, 1 - share) < 0.9


def test_a_stain_reaches_the_image_only(shipped):
    from imgaug import augmenters as iaa

    picture, nuclei = fluorescence()
    rng = np.random.default_rng(0)
    stain = iaa.Sometimes(1.0, iaa.Lambda(func_images=shipped.stain_dark))
    new = augment(picture, nuclei[..., None], np.ones(1, np.int32), stain, rng)
    assert np.array_equal(new.mask[..., 0], nuclei)
    assert share_darker(new.image, nuclei) > 0.9


def test_only_dark_pictures_are_stained(shipped):
    picture, _ = fluorescence()
    rng = np.random.default_rng(0)
    dark, light = shipped.stain_dark([picture, 255 - picture], rng)
    assert not np.array_equal(dark, picture)
    assert np.array_equal(light, 255 - picture)


def test_configs_fit_the_data_and_each_other(shipped):
    training = shipped.ShippedNucleusConfig()
    inference = shipped.ShippedNucleusInferenceConfig()
    for config in (training, inference):
        config.validate(num_dataset_classes=2)
    assert training.IMAGE_RESIZE_MODE == "crop"
    assert inference.IMAGE_RESIZE_MODE == "pad64"  # detect() refuses to crop
    assert inference.IMAGES_PER_GPU == 1
    # Pictures in all: the figures of the model card hang on them.
    assert training.STEPS_PER_EPOCH * training.IMAGES_PER_GPU * training.EPOCHS == 40000
    network = ("BACKBONE", "BACKBONE_WIDTH", "NORM", "TOP_DOWN_PYRAMID_SIZE", "ROI_OP")
    network += ("RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "MEAN_PIXEL", "NUM_CLASSES")
    for name in network:
        one, other = getattr(training, name), getattr(inference, name)
        assert np.array_equal(one, other), name


@pytest.mark.parametrize(
    "shape", [(32, 32), (40, 500), (127, 64), (128, 128), (256, 320), (1040, 1388)]
)
def test_detection_sees_every_picture_at_double_size(shipped, shape):
    config = shipped.ShippedNucleusInferenceConfig()
    plan = plan_resize(
        shape,
        config.IMAGE_MIN_DIM,
        config.IMAGE_MAX_DIM,
        config.IMAGE_MIN_SCALE,
        config.IMAGE_RESIZE_MODE,
    )
    assert plan.scale == 2 and plan.shape == (2 * shape[0], 2 * shape[1])


def test_a_training_that_goes_on_sees_crops_as_large_as_before(shipped):
    config = shipped.ShippedNucleusInferenceConfig()
    set_for_training(config)
    assert config.IMAGE_RESIZE_MODE == "crop"
    before = shipped.ShippedNucleusConfig()
    assert config.IMAGE_MIN_DIM == before.IMAGE_MIN_DIM == shipped.CROP
    assert config.IMAGE_SHAPE.tolist() == before.IMAGE_SHAPE.tolist()


def test_the_model_card_tells_the_training_as_it_is(shipped, shared):
    card = (SAMPLES.parent / "mrcnn" / "pretrained" / "nucleus.md").read_text()
    config = shipped.ShippedNucleusConfig
    cut = shipped.PiecesDataset()
    cut.load_nucleus(shared / "data" / "nucleus", "train")
    cut.prepare()
    pictures = len(shipped.TRAIN_IMAGE_IDS)
    for text in (
        f"{config.EPOCHS} epochs of {config.STEPS_PER_EPOCH} batches",
        f"seed {config.SEED}",
        f"pieces of {shipped.PIECE} px ({cut.num_images} of them)",
        f"{pictures} images to train on: those of\n[samples/nucleus/train_image_ids",
    ):
        assert text in card


@pytest.mark.parametrize("resume", [False, True])
def test_the_command_trains_on_pieces_from_scratch(
    scripts, shipped, straw, folder, resume
):
    flags = ["--dataset", str(folder), "--logs", str(folder / "logs"), "--epochs", "3"]
    assert shipped.main(flags + ["--resume"] * resume) == 0
    (model,) = straw
    assert model.mode == "training" and model.loaded == []
    assert model.config.SEED == shipped.SEED
    (((train, val), told),) = model.trained
    assert [info["id"] for info in train.image_info] == ["a", "c"]
    assert all("window" in info for info in train.image_info)
    assert [info["id"] for info in val.image_info] == ["b", "d"]
    assert not any("window" in info for info in val.image_info)
    # Watched at the size of detection, which is twice that of the files.
    image, (masks, _) = val.load_image(0), val.load_mask(0)
    assert image.shape == (96, 144, 3) and masks.shape[:2] == (96, 144)
    whole = scripts["nucleus"].make_dataset(folder, "val")
    assert np.array_equal(masks[::2, ::2], whole.load_mask(0)[0])
    assert abs(image.mean() - whole.load_image(0).mean()) < 2
    assert (told["epochs"], told["layers"], told["resume"]) == (3, "all", resume)
    assert told["augmentation"] is not None
