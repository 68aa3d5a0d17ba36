"""A data set as the denoiser's training sees it: latents and captions."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..files import read_samples

# Kinds of samples (captions.py) that show one thing.
SINGLE = frozenset(("plain", "colour", "size", "position"))


class LatentSet:
    """Latents [n, c, h, w], float16 on the device that trains, with the samples they belong to; `single` are the
    indices of those that show one thing."""

    def __init__(self, folder: Path, device: str = "cpu"):
        self.latents = torch.from_numpy(np.load(folder / "latents.npy")).to(device)
        self.samples = read_samples(folder)
        if len(self.samples) != len(self.latents):
            raise SystemExit(
                f"{folder}: samples.jsonl has {len(self.samples)} lines, "
                f"latents.npy {len(self.latents)} rows; run train_vae.py again"
            )
        self.single = np.flatnonzero([sample["kind"] in SINGLE for sample in self.samples])

    def __len__(self) -> int:
        return len(self.latents)

    @property
    def captions(self) -> list[str]:
        return [sample["caption"] for sample in self.samples]

    def batch(self, indices: Tensor) -> Tensor:
        """Latents as float32."""
        return self.latents[indices.to(self.latents.device, non_blocking=True)].float()
