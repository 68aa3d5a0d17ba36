"""Where a training takes its batches from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..files import sha256_file


class Batch(NamedTuple):
    """Samples in the order they were asked for."""

    mean: Tensor
    """Latents [n, c, h, w], times the autoencoder's scaling factor; their mean where `std` is given."""
    std: Tensor | None
    """Standard deviation of the latents, or None where they are not drawn anew each time."""
    text: Tensor
    """Text states [n, t, d]."""


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch as float32 where it is computed with, and without gradient: whatever made it is not trained."""

    def moved(part: Tensor) -> Tensor:
        return part.detach().to(device, torch.float32)

    return Batch(moved(batch.mean), None if batch.std is None else moved(batch.std), moved(batch.text))


class Samples(Protocol):
    """Latents with text states. Nothing of it is trained: the tensors have no gradient."""

    fingerprint: str
    """Hash of all that a batch is made of."""
    null: Tensor
    """Text states [t, d] of the empty caption."""

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Batch:
        """The samples at `indices`, each in 0..len-1, on the CPU."""
        ...


class TensorSamples:
    """Samples that are held in memory."""

    def __init__(self, mean: Tensor, std: Tensor | None, text: Tensor, null: Tensor, fingerprint: str | None = None):
        """Shapes as in `Batch`, with all samples; `null` is [t, d]."""
        self.mean, self.std, self.text, self.null = mean, std, text, null
        self.fingerprint = fingerprint or _hash([mean, *([] if std is None else [std]), text, null])

    @classmethod
    def load(cls, path: Path) -> "TensorSamples":
        """The tensors `mean`, `text`, `null` and perhaps `std` of a safetensors file."""
        tensors = load_file(path)
        return cls(tensors["mean"], tensors.get("std"), tensors["text"], tensors["null"], sha256_file(path))

    def __len__(self) -> int:
        return len(self.mean)

    def batch(self, indices: Sequence[int]) -> Batch:
        rows = torch.as_tensor(indices)
        return Batch(self.mean[rows], None if self.std is None else self.std[rows], self.text[rows])


def _hash(tensors: list[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
