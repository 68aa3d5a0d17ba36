"""Where a training takes its batches from."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..data.loader import Source
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

    # A copy from pinned memory does not wait for what the GPU is doing.
    def moved(part: Tensor) -> Tensor:
        return part.detach().to(device, torch.float32, non_blocking=True)

    return Batch(moved(batch.mean), None if batch.std is None else moved(batch.std), moved(batch.text))


class Samples(Source, Protocol):
    """Latents with text states. Nothing of it is trained: the tensors have no gradient."""

    fingerprint: str
    """Hash of all that a batch is made of."""
    null: Tensor
    """Text states [t, d] of the empty caption."""

    def encoded(self, read: dict[str, Tensor]) -> Batch:
        """The batch of rows that were read; images are encoded, which takes a model."""
        ...

    def batch(self, indices: Sequence[int]) -> Batch:
        """The samples at `indices`, each in 0..len-1, as they are."""
        return self.encoded(self.read(indices, [False] * len(indices)))


class TensorSamples(Samples):
    """Samples that are held in memory."""

    mirrors = False

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

    def read(self, indices: Sequence[int], mirrored: Sequence[bool]) -> dict[str, Tensor]:
        rows = torch.as_tensor(indices)
        std = {} if self.std is None else {"std": self.std[rows]}
        return {"mean": self.mean[rows], "text": self.text[rows], **std}

    def encoded(self, read: dict[str, Tensor]) -> Batch:
        return Batch(read["mean"], read.get("std"), read["text"])


def _hash(tensors: list[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
