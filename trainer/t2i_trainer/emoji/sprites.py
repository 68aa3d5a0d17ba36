"""What a sketch is to show: each thing upright and alone, as patches described by their principal components."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..networks.sketch import FEATURES, GRID, THINGS
from .compose import Composer
from .scene import Scene

# Side of a drawing in pixels: patches of 8x8.
SIDE = 8 * GRID

Key = tuple[int, str, str | None]
"""Concept, style, colour."""


def keys_of(scene: Scene) -> list[Key]:
    """The different things of a scene in the order in which its caption names them, THINGS at most."""
    found = dict.fromkeys((p.concept, scene.style, p.colour) for p in scene.placements)
    return list(found)[:THINGS]


def patches_of(sprite: Image.Image) -> np.ndarray:
    """RGBA to float32 [GRID^2, 256]: colour in -1..1 times opacity, and opacity, of each patch of 8x8."""
    pixels = np.asarray(sprite.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32) / 255
    alpha = pixels[..., 3:]
    pixels = np.concatenate([(pixels[..., :3] * 2 - 1) * alpha, alpha], axis=-1)
    return pixels.reshape(GRID, 8, GRID, 8, 4).transpose(0, 2, 1, 3, 4).reshape(GRID**2, -1)


class SpriteFeatures:
    """The drawings of all keys of some scenes; `batch` gives those of samples, float32 [n, THINGS, GRID^2, FEATURES].
    A thing that is not there is empty. `share` is the part of the patches' variance that the features keep."""

    def __init__(self, scenes: list[Scene], composer: Composer):
        rows: dict[Key, int] = {}
        keys = [keys_of(scene) for scene in scenes]
        for key in (key for several in keys for key in several):
            rows.setdefault(key, len(rows) + 1)
        patches = np.empty((len(rows) + 1, GRID**2, 4 * 64), np.float32)
        patches[0] = 0
        for (concept, style, colour), row in rows.items():
            patches[row] = patches_of(composer.sprite(concept, style, colour))
        flat = patches.reshape(-1, patches.shape[-1])
        values, vectors = np.linalg.eigh(np.cov(flat[:: max(1, len(flat) // 200_000)].astype(np.float64).T, bias=True))
        self.share = float(values[-FEATURES:].sum() / values.sum())
        # Unit size for the strongest component, as in the autoencoder a root of the deviation for the others.
        deviations = np.sqrt(values[::-1][:FEATURES].clip(1e-12))
        basis = vectors[:, ::-1][:, :FEATURES] / np.sqrt(deviations * deviations[0])
        self.features = torch.from_numpy((flat @ basis).reshape(len(patches), GRID**2, FEATURES).astype(np.float32))
        self.rows = torch.zeros((len(scenes), THINGS), dtype=torch.long)
        for index, several in enumerate(keys):
            self.rows[index, : len(several)] = torch.tensor([rows[key] for key in several])

    def batch(self, indices: Tensor) -> Tensor:
        return self.features[self.rows[indices]]
