"""Paints a thing in another colour and leaves what is not of its main colour (leaves, eyes, wheels) as it is."""

import numpy as np
from PIL import Image

from .scene import COLOURS

LUMA = np.array([0.3, 0.59, 0.11], dtype=np.float32)


def recolour(sprite: Image.Image, colour: str) -> Image.Image:
    """RGBA in, RGBA out. Needs no library of masks: the main hue is the fullest 15-degree bin, green left out where
    anything else is there, since a flower's leaves often cover more than its petals."""
    rgba = np.asarray(sprite, dtype=np.float32) / 255
    rgb, alpha = rgba[..., :3], rgba[..., 3]
    share, luma = _share(rgb, alpha), rgb @ LUMA
    centre = float((luma * share * alpha).sum() / max(1e-6, (share * alpha).sum()))
    painted = _paint(COLOURS[colour], luma - centre)
    out = rgb + (np.clip(painted, 0, 1) - rgb) * share[..., None]
    return Image.fromarray((np.concatenate([out, alpha[..., None]], axis=-1) * 255).round().astype(np.uint8), "RGBA")


def _share(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """How much of each pixel belongs to the main colour, 0 to 1; all of a thing that is grey or white."""
    high = rgb.max(-1)
    chroma = high - rgb.min(-1)
    hue = _hue(rgb, high, chroma)
    weight = chroma * alpha * (chroma > 0.12)
    bins = np.bincount((hue * 24).astype(int).ravel() % 24, weights=weight.ravel(), minlength=24)
    others = bins.copy()
    others[5:11] = 0
    main = int((others if others.sum() > 0.2 * bins.sum() else bins).argmax())
    distance = np.abs((hue - (main + 0.5) / 24 + 0.5) % 1 - 0.5)
    share = np.clip((0.16 - distance) / 0.05, 0, 1) * np.clip(chroma / 0.1, 0, 1)
    if weight.sum() < 0.06 * alpha.sum() or (share * alpha).sum() < 0.12 * alpha.sum():
        return np.clip((high - 0.15) / 0.2, 0, 1)
    return share


def _paint(target: tuple[float, float, float] | float, shade: np.ndarray) -> np.ndarray:
    """The target colour lighter and darker by `shade`, RGB."""
    if isinstance(target, float):
        return np.repeat((target + shade * (0.55 if target > 0.5 else 0.45))[..., None], 3, axis=-1)
    pure = np.array(target, dtype=np.float32)
    own = float(pure @ LUMA)
    light = np.clip(0.97 * own + shade * 0.9, 0, 1)[..., None]
    return np.where(light <= own, pure * light / own, pure + (1 - pure) * (light - own) / max(1e-6, 1 - own))


def _hue(rgb: np.ndarray, high: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Hue in turns, 0 to 1, of the HSV model."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    safe = np.maximum(chroma, 1e-6)
    hue = np.where(
        high == red,
        (green - blue) / safe % 6,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return hue / 6 % 1
