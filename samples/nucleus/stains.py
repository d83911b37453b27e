"""Fluorescence images shown as if stained and seen in transmitted light.

All but one of the images to train on are dark with bright nuclei; in pathology it is
the other way round and in color. Light that crosses a stained slice is weakened as Beer
and Lambert say: what comes through is I0 exp(-depth), where depth is the sum over dyes
of their amount times their absorption of red, green and blue. The amount of the dye of
nuclei is taken from the fluorescence; everything else is drawn at random.
"""

from __future__ import annotations

import numpy as np
from skimage.color import rgb_from_hed
from skimage.filters import gaussian
from skimage.transform import resize

# Absorption of red, green, blue (Ruifrok and Johnston 2001), as scikit-image has it.
HEMATOXYLIN, EOSIN = rgb_from_hed[:2]
VIOLET = np.array([0.45, 0.80, 0.30])  # as in smears: methylene blue and eosin
DARKEST, BRIGHTEST = 10, 99.7  # percentiles that count as none and as all of the dye
FAINTEST = 10  # gray values; what differs less is noise, not nuclei


def stained(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a fluorescence image might look like stained.

    Args:
        image: uint8 [H, W, 3], bright nuclei on a dark ground; it is not changed.
        rng: source of the randomness; the same state gives the same image.

    Returns:
        uint8 [H, W, 3], dark nuclei on tissue, smear or glass.
    """
    light = _stretched(image.mean(axis=-1), DARKEST, BRIGHTEST, FAINTEST)
    light **= rng.uniform(0.4, 1)
    nuclei = _chromatin(light, rng)
    dye = _between(HEMATOXYLIN, VIOLET, rng.uniform(0, 1), rng)
    depth = rng.uniform(0.7, 2.4) * nuclei[..., None] * dye
    counterstain = _between(EOSIN, dye, rng.uniform(0, 0.7), rng)
    ground = _tissue(light, rng) * (1 - rng.uniform(0, 0.8) * light)
    depth += ground[..., None] * counterstain
    blood = _patches(light.shape, rng.choice([0, 0, 0, 0.1, 0.2]), rng)
    depth += (rng.uniform(0.5, 1.5) * blood * (1 - light))[..., None] * EOSIN
    seen = rng.uniform(215, 255) * np.exp(-depth)
    focus = rng.uniform(0, 1)
    seen = _blurred(seen, (focus, focus, 0))
    seen += rng.normal(0, rng.uniform(0, 5), seen.shape)
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def _chromatin(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Amount of dye in nuclei [H, W]: grained, and some of them pale inside."""
    inside = _blurred(light, rng.uniform(2, 5))
    amount = np.clip(light - rng.uniform(0, 0.7) * inside**2, 0, 1)
    grain = _field(light.shape, rng.uniform(1, 2.5), rng) - 0.5
    return amount * (1 + rng.uniform(0, 1) * grain)


def _tissue(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Amount of counterstain [H, W]: from bare glass to full of cells and fibers."""
    shape = light.shape
    texture = _field(shape, rng.uniform(4, 20), rng) * rng.uniform(0, 1)
    fibers = _field(shape, rng.uniform(1, 3), rng) * rng.uniform(0, 0.4)
    cells = _blurred(light, rng.uniform(4, 10)) * rng.uniform(0, 1)
    amount = rng.uniform(0, 0.5) + texture + fibers + cells
    gaps = _patches(shape, rng.choice([0, 0, 0.2, 0.4, 0.6]), rng)
    return amount * (1 - gaps) * rng.choice([0.1, 0.3, 0.6, 0.9])


def _blurred(values: np.ndarray, sigma) -> np.ndarray:
    """Values smoothed by a Gaussian of `sigma` px, mirrored at the border."""
    return gaussian(values, sigma, mode="reflect", preserve_range=True)


def _between(first, second, share: float, rng: np.random.Generator) -> np.ndarray:
    """Absorption [3] of a mixture; slides and scanners differ, so it varies."""
    return np.abs((1 - share) * first + share * second + rng.normal(0, 0.08, 3))


def _patches(shape, share: float, rng: np.random.Generator) -> np.ndarray:
    """Field [H, W], 1 on round patches that cover about this share, else 0."""
    field = _field(shape, rng.uniform(5, 30), rng)
    return _blurred((field < np.quantile(field, share)).astype(float), 1)


def _field(shape, size: float, rng: np.random.Generator) -> np.ndarray:
    """Random field [H, W] of 0 to 1, its details about `size` px large."""
    coarse = max(1, int(size / 2))  # drawn small, for speed
    small = rng.standard_normal([-(-side // coarse) for side in shape])
    small = _blurred(small, size / coarse)
    return _stretched(resize(small, shape, order=1), 2, 98)


def _stretched(values: np.ndarray, low: float, high: float, least=1e-9) -> np.ndarray:
    """Values scaled so that these two percentiles become 0 and 1, cut there.

    Percentiles closer than `least` are taken for that far apart.
    """
    low, high = np.percentile(values, (low, high))
    return np.clip((values - low) / max(high - low, least), 0, 1)
