"""A data set as training sees it: latents, and the text states of their captions."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .files import read_json, read_samples


class LatentSet:
    """Latents [n, c, h, w] with the text states [n, context, width] of their captions; `null` is the state of the
    empty caption."""

    def __init__(self, folder: Path):
        self.latents = torch.from_numpy(np.load(folder / "latents.npy"))
        self.states = torch.from_numpy(np.load(folder / "states.npy"))
        row = {caption: index for index, caption in enumerate(read_json(folder / "captions.json"))}
        self.captions = [sample["caption"] for sample in read_samples(folder)]
        self.rows = torch.tensor([row[caption] for caption in self.captions])
        if len(self.rows) != len(self.latents):
            raise SystemExit(
                f"{folder}: samples.jsonl has {len(self.rows)} lines, "
                f"latents.npy {len(self.latents)} rows; run train_vae.py again"
            )

    def __len__(self) -> int:
        return len(self.latents)

    def batch(self, indices: Tensor, drop: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Latents and states as float32; where `drop` is true the state is that of the empty caption."""
        rows = self.rows[indices]
        if drop is not None:
            rows = rows.masked_fill(drop, 0)
        return self.latents[indices].float(), self.states[rows].float()
