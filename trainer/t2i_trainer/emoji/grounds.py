"""Backgrounds: a plain colour or one of the simple landscapes."""

from functools import cache

import numpy as np
from PIL import Image

from .scene import BACKGROUNDS

# Colours of the sky at the top and at the horizon, of the ground, and where the horizon lies.
LANDSCAPES = {
    "at sunset": ((94, 60, 130), (250, 160, 90), (84, 78, 58), 0.72),
    "on a grassy meadow": ((140, 200, 246), (206, 232, 250), (96, 170, 74), 0.5),
    "under a night sky": ((14, 18, 52), (40, 48, 104), (26, 40, 46), 0.86),
    "on a sandy beach": ((130, 206, 246), (64, 164, 206), (238, 214, 160), 0.6),
    "in the snow": ((176, 202, 228), (220, 232, 244), (246, 250, 253), 0.55),
    "under a blue sky": ((90, 160, 236), (190, 222, 250), (190, 222, 250), 1.0),
    "in a forest": ((160, 206, 190), (116, 170, 140), (74, 112, 58), 0.66),
    "in a flower field": ((150, 206, 248), (220, 238, 250), (112, 178, 84), 0.42),
}
FLOWERS = ((236, 92, 120), (250, 214, 92), (250, 250, 250), (176, 120, 220))


@cache
def ground(name: str, size: int) -> np.ndarray:
    """float32 [size, size, 3] of 0 to 255; shared, so not to be written to."""
    if name in BACKGROUNDS:
        pixels = np.broadcast_to(np.array(BACKGROUNDS[name], np.float32), (size, size, 3))
    else:
        pixels = _landscape(name, size)
        if name == "under a night sky":
            _stars(pixels)
        elif name == "in a forest":
            _trees(pixels)
        elif name == "in a flower field":
            _flowers(pixels)
    pixels = pixels.astype(np.float32)
    pixels.flags.writeable = False
    return pixels


def background(name: str, size: int, shade: float = 1.0) -> Image.Image:
    """RGB, `size` x `size`, its brightness times `shade`."""
    return Image.fromarray((ground(name, size) * shade).clip(0, 255).astype(np.uint8))


def _landscape(name: str, size: int) -> np.ndarray:
    top, middle, earth, horizon = LANDSCAPES[name]
    rows = np.linspace(0, 1, size)[:, None]
    sky = np.array(top) + (np.array(middle) - np.array(top)) * np.minimum(rows / horizon, 1)
    pixels = np.where(rows < horizon, sky, np.array(earth) * (1.06 - 0.16 * (rows - horizon)))
    return np.repeat(pixels[:, None, :], size, axis=1)


def _stars(pixels: np.ndarray) -> None:
    size = len(pixels)
    stars = np.random.default_rng(7).integers(0, [int(size * 0.8), size], (40, 2))
    pixels[stars[:, 0], stars[:, 1]] = (250, 248, 220)


def _trees(pixels: np.ndarray) -> None:
    """A row of dark firs before the horizon, as triangles."""
    size = len(pixels)
    y, x = np.mgrid[0:size, 0:size] / size
    for centre, top, half in (
        (0.06, 0.2, 0.12),
        (0.27, 0.32, 0.1),
        (0.5, 0.24, 0.11),
        (0.72, 0.34, 0.1),
        (0.93, 0.18, 0.13),
    ):
        inside = (y > top) & (y < 0.7) & (np.abs(x - centre) < half * (y - top) / (0.7 - top))
        pixels[inside] = np.array((38, 92, 62)) * (0.8 + 0.5 * (0.7 - y[inside, None]))


def _flowers(pixels: np.ndarray) -> None:
    """Dots in four colours, larger towards the viewer."""
    size = len(pixels)
    y, x = np.mgrid[0:size, 0:size] / size
    random = np.random.default_rng(11)
    for row in np.linspace(0.48, 0.97, 9):
        for column in np.arange(0, 1, 0.1) + random.uniform(0, 0.1):
            radius = 0.006 + 0.02 * (row - 0.42)
            pixels[np.hypot(x - column, y - row) < radius] = FLOWERS[random.integers(len(FLOWERS))]
