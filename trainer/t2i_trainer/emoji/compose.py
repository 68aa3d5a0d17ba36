"""Draws scenes: the same scene is the same pixels."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image

from .grounds import background
from .recolour import recolour
from .scene import Placement, Scene


class Composer:
    """Draws scenes; keeps the sprites it has read. `open_image(concept, style)` gives the RGBA image of a
    concept."""

    def __init__(self, open_image: Callable[[int, str], Image.Image], size: int):
        self.open_image, self.size = open_image, size
        # 64 KB each at 128 px.
        self.sprite = lru_cache(maxsize=12_000)(self._sprite)

    def _sprite(self, concept: int, style: str, colour: str | None) -> Image.Image:
        """A thing upright and alone, RGBA, as large as the image."""
        if colour is not None:
            return recolour(self.sprite(concept, style, None), colour)
        return self.open_image(concept, style).resize((self.size, self.size), Image.Resampling.LANCZOS)

    def draw(self, scene: Scene) -> np.ndarray:
        """Returns the image, uint8 [size, size, 3]."""
        canvas = background(scene.background, self.size, scene.shade)
        for placement in scene.placements:
            self._place(canvas, placement, scene.style)
        return np.asarray(canvas)

    def _place(self, canvas: Image.Image, placement: Placement, style: str) -> None:
        side = round(placement.side * self.size)
        sprite = self.sprite(placement.concept, style, placement.colour)
        if placement.mirrored:
            sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        sprite = sprite.resize((side, side), Image.Resampling.LANCZOS)
        if placement.droplets:
            _droplets(sprite)
        if placement.angle:
            sprite = sprite.rotate(placement.angle, Image.Resampling.BICUBIC, expand=True)
        left = round(placement.x * self.size - sprite.width / 2)
        top = round(placement.y * self.size - sprite.height / 2)
        canvas.paste(sprite, (left, top), sprite)


def _droplets(sprite: Image.Image) -> None:
    """Small clear drops with a bright spot, at fixed places where the sprite is opaque."""
    alpha = np.asarray(sprite)[..., 3]
    side = alpha.shape[0]
    places = np.random.default_rng(3).integers(int(side * 0.15), int(side * 0.8), (60, 2))
    inside = [(x, y) for x, y in places if alpha[y, x] == 255][:9]
    radius = max(2, side // 26)
    grid = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1])
    drop = np.zeros((2 * radius + 1, 2 * radius + 1, 4), dtype=np.uint8)
    drop[grid <= radius] = (214, 236, 255, 190)
    drop[radius - 1, radius - 1] = (255, 255, 255, 255)
    mark = Image.fromarray(drop, "RGBA")
    for x, y in inside:
        sprite.alpha_composite(mark, (max(0, int(x) - radius), max(0, int(y) - radius)))
