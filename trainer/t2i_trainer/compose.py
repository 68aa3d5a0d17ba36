"""Draws one training picture: a concept, perhaps in another colour, several times, moved or scaled, on a named
background.

Everything is decided by the `Scene`, so that the same scene is the same pixels.
"""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

# sRGB, soft enough that an object of the same colour still shows against its background.
BACKGROUNDS = {
    "white": (250, 250, 250), "black": (24, 24, 28), "grey": (150, 152, 156), "red": (214, 58, 58),
    "orange": (242, 148, 54), "yellow": (248, 220, 84),
    "green": (92, 178, 92), "blue": (72, 126, 218), "purple": (142, 88, 190), "pink": (246, 170, 200),
    "brown": (142, 100, 70), "light blue": (168, 214, 246),
}  # fmt: skip
# Hue in turns, or None for the greys with the lightness they are drawn towards.
COLOURS = {
    "red": 0.99, "orange": 0.075, "yellow": 0.145, "green": 0.34, "blue": 0.6, "purple": 0.77, "pink": 0.91,
    "white": (0.97, None), "black": (0.22, None),
}  # fmt: skip
SCENES = ("at sunset", "on a grassy meadow", "under a night sky", "on a sandy beach", "in the snow", "under a blue sky")
POSITIONS = {
    "on the left": (-0.2, 0.0),
    "on the right": (0.2, 0.0),
    "at the top": (0.0, -0.2),
    "at the bottom": (0.0, 0.2),
}
COUNT_LAYOUT = {
    1: [(0.5, 0.5)],
    2: [(0.27, 0.5), (0.73, 0.5)],
    3: [(0.5, 0.28), (0.27, 0.71), (0.73, 0.71)],
    4: [(0.28, 0.28), (0.72, 0.28), (0.28, 0.72), (0.72, 0.72)],
}
COUNT_SCALE = {1: 0.8, 2: 0.45, 3: 0.43, 4: 0.42}


@dataclass(frozen=True)
class Scene:
    """Everything that decides a picture. Fractions are of the picture's side."""

    concept: int
    background: str  # a key of BACKGROUNDS or one of SCENES
    colour: str | None = None
    count: int = 1
    scale: float = 0.8
    shift: tuple[float, float] = (0.0, 0.0)
    droplets: bool = False
    field: bool = False
    style: str = "shaded"


class Composer:
    """Draws scenes; keeps the sprites it has read. `open_picture(concept, style)` gives the RGBA picture of a
    concept."""

    def __init__(self, open_picture: Callable[[int, str], Image.Image], size: int):
        self.open_picture, self.size = open_picture, size
        self.sprite = cache(self._sprite)

    def _sprite(self, concept: int, style: str, colour: str | None, side: int) -> Image.Image:
        if colour is not None:
            own = self.sprite(concept, style, None, self.size)
            return _recolour(own, colour).resize((side, side), Image.Resampling.LANCZOS)
        return self.open_picture(concept, style).resize((side, side), Image.Resampling.LANCZOS)

    def draw(self, scene: Scene) -> np.ndarray:
        """Returns the picture, uint8 [size, size, 3]."""
        size = self.size
        canvas = background(scene.background, size).copy()
        centres = [(0.5, 0.5)] if scene.count == 1 else COUNT_LAYOUT[scene.count]
        if scene.field:
            centres = [
                (x, y)
                for y, xs in ((0.42, (0.2, 0.5, 0.8)), (0.6, (0.05, 0.35, 0.65, 0.95)), (0.78, (0.2, 0.5, 0.8)))
                for x in xs
            ]
        for x, y in centres:
            side = round(scene.scale * size)
            sprite = self.sprite(scene.concept, scene.style, scene.colour, side)
            left, top = round((x + scene.shift[0]) * size - side / 2), round((y + scene.shift[1]) * size - side / 2)
            canvas.paste(sprite, (left, top), sprite)
            if scene.droplets:
                _droplets(canvas, sprite, left, top)
        return np.asarray(canvas)


@cache
def background(name: str, size: int) -> Image.Image:
    """A plain colour, or one of the simple landscapes."""
    if name in BACKGROUNDS:
        return Image.new("RGB", (size, size), BACKGROUNDS[name])
    top, middle, ground, horizon = {
        "at sunset": ((94, 60, 130), (250, 160, 90), (84, 78, 58), 0.72),
        "on a grassy meadow": ((140, 200, 246), (206, 232, 250), (96, 170, 74), 0.5),
        "under a night sky": ((14, 18, 52), (40, 48, 104), (26, 40, 46), 0.86),
        "on a sandy beach": ((130, 206, 246), (64, 164, 206), (238, 214, 160), 0.6),
        "in the snow": ((176, 202, 228), (220, 232, 244), (246, 250, 253), 0.55),
        "under a blue sky": ((90, 160, 236), (190, 222, 250), (190, 222, 250), 1.0),
    }[name]
    rows = np.linspace(0, 1, size)[:, None]
    sky = np.array(top) + (np.array(middle) - np.array(top)) * np.minimum(rows / horizon, 1)
    pixels = np.where(rows < horizon, sky, np.array(ground) * (1.06 - 0.16 * (rows - horizon)))
    picture = np.repeat(pixels[:, None, :], size, axis=1)
    if name == "under a night sky":
        stars = np.random.default_rng(7).integers(0, [int(size * 0.8), size], (40, 2))
        picture[stars[:, 0], stars[:, 1]] = (250, 248, 220)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _recolour(sprite: Image.Image, colour: str) -> Image.Image:
    """Turns the sprite's main hue into `colour` and leaves other hues (leaves, eyes) as they are. Needs no library of
    masks: the main hue is the
    fullest 30-degree bin, green left out where anything else is there, since a flower's leaves often cover more than
    its petals."""
    rgba = np.asarray(sprite, dtype=np.float32) / 255
    rgb, alpha = rgba[..., :3], rgba[..., 3]
    high, low = rgb.max(-1), rgb.min(-1)
    chroma = high - low
    hue = _hue(rgb, high, chroma)
    weight = chroma * alpha * (chroma > 0.12)
    bins = np.bincount((hue * 24).astype(int).ravel() % 24, weights=weight.ravel(), minlength=24)
    others = bins.copy()
    others[5:11] = 0
    main = int((others if others.sum() > 0.2 * bins.sum() else bins).argmax())
    distance = np.abs((hue - (main + 0.5) / 24 + 0.5) % 1 - 0.5)
    share = np.clip((0.16 - distance) / 0.05, 0, 1) * np.clip(chroma / 0.1, 0, 1)
    if weight.sum() < 0.06 * alpha.sum() or share.mean() < 0.05:  # a white or grey thing: tint it all
        share = np.ones_like(share) * np.clip((high - 0.15) / 0.2, 0, 1)
    target = COLOURS[colour]
    luma = rgb @ np.array([0.3, 0.59, 0.11], dtype=np.float32)
    centre = float((luma * share * alpha).sum() / max(1e-6, (share * alpha).sum()))
    if isinstance(target, tuple):
        painted = np.repeat((target[0] + (luma - centre) * (0.55 if target[0] > 0.5 else 0.45))[..., None], 3, axis=-1)
    else:
        pure = np.array(colorsys.hsv_to_rgb(target, 0.82, 1.0), dtype=np.float32)
        own = float(pure @ np.array([0.3, 0.59, 0.11], dtype=np.float32))
        light = np.clip(0.97 * own + (luma - centre) * 0.9, 0, 1)[..., None]
        painted = np.where(light <= own, pure * light / own, pure + (1 - pure) * (light - own) / max(1e-6, 1 - own))
    out = rgb + (np.clip(painted, 0, 1) - rgb) * share[..., None]
    return Image.fromarray((np.concatenate([out, alpha[..., None]], axis=-1) * 255).round().astype(np.uint8), "RGBA")


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


def _droplets(canvas: Image.Image, sprite: Image.Image, left: int, top: int) -> None:
    """Small clear drops with a bright spot, at fixed places of the sprite where it is opaque."""
    alpha = np.asarray(sprite)[..., 3]
    side = alpha.shape[0]
    places = np.random.default_rng(3).integers(int(side * 0.15), int(side * 0.8), (60, 2))
    inside = [(x, y) for x, y in places if alpha[y, x] == 255][:9]
    radius = max(2, side // 34)
    grid = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1])
    drop = np.zeros((2 * radius + 1, 2 * radius + 1, 4), dtype=np.uint8)
    drop[grid <= radius] = (214, 236, 255, 190)
    drop[radius - 1, radius - 1] = (255, 255, 255, 255)
    mark = Image.fromarray(drop, "RGBA")
    for x, y in inside:
        canvas.paste(mark, (left + int(x) - radius, top + int(y) - radius), mark)
