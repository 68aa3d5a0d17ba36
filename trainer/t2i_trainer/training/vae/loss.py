"""What an autoencoder is trained by: how far images are from their reconstructions, and latents from normal noise."""

from typing import NamedTuple

import torch
from diffusers import AutoencoderKL
from torch import Tensor

L1_WEIGHT = 1.0
"""As in latent diffusion, whose reconstruction loss is L1 (Rombach et al. 2022, arXiv 2112.10752, appendix G)."""
MSE_WEIGHT = 1.0
"""As in sd-vae-ft-mse, the autoencoder that is the default, which was trained by MSE + 0.1 LPIPS (its model card).
LPIPS is left out: it needs a second pretrained network."""
KL_WEIGHT = 1e-6
"""Of the KL divergence, summed over an image's latents, against a reconstruction loss that is summed over the image's
values (Rombach et al. 2022, appendix G)."""


class Losses(NamedTuple):
    """A value for each image, float32 [n]."""

    l1: Tensor
    """Mean absolute error of an image's values in -1..1."""
    mse: Tensor
    """Mean squared error of them."""
    kl: Tensor
    """KL divergence of the latents from a standard normal distribution, summed over the latents and divided by the
    number of the image's values."""

    def total(self) -> Tensor:
        """What is trained on, [n]."""
        return L1_WEIGHT * self.l1 + MSE_WEIGHT * self.mse + KL_WEIGHT * self.kl


def autoencoder_losses(autoencoder: AutoencoderKL, pixels: Tensor, noise: Tensor | None) -> Losses:
    """Losses of images, uint8 [n, 3, h, w].

    `noise`, normal and of the latents' shape, chooses latents of their distribution (Kingma and Welling 2013,
    arXiv 1312.6114, section 2.4); without it the mean is decoded, so that the losses are the same each time. The
    divergence is that of its appendix B.
    """
    wanted = pixels.float().div(127.5).sub(1)
    distribution = autoencoder.encode(wanted).latent_dist
    mean, log_variance = distribution.mean.float(), distribution.logvar.float()
    latents = mean if noise is None else mean + torch.exp(0.5 * log_variance) * noise
    error = autoencoder.decode(latents).sample.float() - wanted
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum((1, 2, 3))
    return Losses(error.abs().mean((1, 2, 3)), error.square().mean((1, 2, 3)), divergence / wanted[0].numel())
