"""The update of the latents: twin of src/diffusion/step.ts, where each formula and its source is explained.

Each operation is one of torch's, which rounds to float32; nothing may be fused, so not `torch.compile`d either.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

ROW_LENGTH = 8


class Latents(NamedTuple):
    """float32 tensors of one shape."""

    x: Tensor
    """Variance-preserving."""
    x0: Tensor
    """The latest estimate of the clean latents."""


def step(latents: Latents, row: Sequence[float], out: Tensor, noise: Tensor, clip: float | None) -> Latents:
    """Executes one row of a plan, `ROW_LENGTH` float32 coefficients.

    `out` is the network's output after guidance, `noise` unit normal noise (not read where k6 is 0), `clip` the
    largest magnitude of x0.
    """
    x, previous = latents
    k0, k1, k2, k3, k4, k5, k6, k7 = row
    clean = k0 * x + k1 * out
    if clip is not None:
        # Not `clamp`, which says nothing about the sign of a zero.
        limit = torch.tensor(clip, dtype=torch.float32, device=x.device)
        clean = torch.where(clean < -limit, -limit, clean)
        clean = torch.where(clean > limit, limit, clean)
    eps = k2 * x + k3 * out
    after = k4 * clean + k5 * eps
    if k6 != 0:
        after = after + k6 * noise
    if k7 != 0:
        after = after + k7 * previous
    return Latents(after, clean)


def guide(unconditional: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance, u + g * (c - u)."""
    return unconditional + scale * (conditional - unconditional)
