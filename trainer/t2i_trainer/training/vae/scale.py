"""The scale of an autoencoder's latents, which a denoiser expects to have unit deviation."""

from collections.abc import Iterable

import torch
from diffusers import AutoencoderKL
from torch import Tensor


@torch.no_grad()
def measured_scaling_factor(model: AutoencoderKL, images: Iterable[Tensor]) -> float:
    """1 / standard deviation of the latents of all `images`, batches of uint8 [n, 3, h, w] (Rombach et al. 2022,
    arXiv 2112.10752, appendix G). The variance of latents that are sampled is that of their means plus the mean of
    their variances."""
    sums = torch.zeros(3, dtype=torch.float64)
    for pixels in images:
        latents = model.encode(pixels.float().div(127.5).sub(1)).latent_dist
        mean, variance = latents.mean.double(), latents.var.double()
        sums += torch.stack([mean.sum(), (mean.square() + variance).sum(), torch.ones_like(mean).sum()]).cpu()
    total, squares, count = sums.tolist()
    return (squares / count - (total / count) ** 2) ** -0.5
