"""The denoiser, its noise schedule and its loss: what `train.py` optimises and validates."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import read_json
from .weights import load_whole


class PlacedConv(nn.Module):
    """A convolution plus a learnt value for each place. Convolutions know places only by the zeros around the image;
    in equal time a network that is told them drew better (docs/decisions)."""

    def __init__(self, conv: nn.Conv2d, side: int):
        super().__init__()
        self.conv = conv
        self.places = nn.Parameter(torch.randn(1, conv.out_channels, side, side) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """The places are stretched to another size of x."""
        return self.conv(x) + F.interpolate(self.places, size=x.shape[-2:], mode="bilinear", align_corners=False)


class PlacedUNet(UNet2DConditionModel):
    """A UNet2DConditionModel whose first convolution knows places."""

    # The same parameters as the base class: diffusers reads them from the signature when it loads a folder.
    @functools.wraps(UNet2DConditionModel.__init__)  # type: ignore[misc]
    def __init__(self, *args: object, **options: object):
        super().__init__(*args, **options)
        plain: Any = self.conv_in
        self.conv_in: nn.Module = PlacedConv(plain, self.config.sample_size)


def unet_class(folder: Path) -> type[UNet2DConditionModel]:
    """The class that a folder's config.json names: ours or, as everybody else writes it, diffusers'."""
    named = read_json(folder / "config.json").get("_class_name")
    return PlacedUNet if named == "PlacedUNet" else UNet2DConditionModel


def load_unet(folder: Path) -> UNet2DConditionModel:
    """The denoiser of a folder; raises StageError as `load_whole`."""
    return load_whole(unet_class(folder), folder)


def latent_size(unet: UNet2DConditionModel) -> tuple[int, int]:
    """Height and width, in latent pixels, that a denoiser was trained for."""
    size = unet.config.sample_size
    return (size, size) if isinstance(size, int) else tuple(size)


def new_unet(
    channels: tuple[int, ...], layers: int, text_width: int, latent_channels: int, side: int, heads: int = 4
) -> PlacedUNet:
    """A UNet with the block order of the reference system: no attention at the full latent size, cross-attention below
    it.

    The text also reaches every residual block: its states, pooled by attention, are added to the timestep's embedding,
    which scales and shifts the features (as the class does in Dhariwal and Nichol 2021). Without it the first images
    had colours and backgrounds long before they had shapes.
    """
    attending = len(channels) - 1
    return PlacedUNet(
        sample_size=side,
        in_channels=latent_channels,
        out_channels=latent_channels,
        layers_per_block=layers,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * attending),
        up_block_types=(*["CrossAttnUpBlock2D"] * attending, "UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=heads,
        addition_embed_type="text",
        addition_embed_type_num_heads=heads,
        resnet_time_scale_shift="scale_shift",
    )


def new_scheduler(prediction: str) -> DDPMScheduler:
    """The training process: cosine schedule (Nichol and Dhariwal 2021), 1,000 timesteps."""
    return DDPMScheduler(
        num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2", prediction_type=prediction, clip_sample=False
    )


def sampling_scheduler(training: DDPMScheduler) -> DDIMScheduler:
    """The same process as a DDIM sampler, the form that is saved with the model.

    Where the noise is predicted, sampling starts below the last timestep: a cosine schedule leaves so little of the
    image there that the clean latents would be an error of the network times 20,000.
    """
    spacing: dict[str, Any] = {"timestep_spacing": "trailing"}
    if training.config.prediction_type == "epsilon":
        # The offset that diffusers' own pipeline sets.
        spacing = {"timestep_spacing": "leading", "steps_offset": 1}
    return DDIMScheduler.from_config(training.config, set_alpha_to_one=False, clip_sample=False, **spacing)


def draw_timesteps(count: int, total: int, uniform: float, generator: torch.Generator) -> Tensor:
    """`count` timesteps of 0..total-1 in random order: a share `uniform` of them evenly, the others by a logit-normal
    law of mean 1 and deviation 1 (Esser et al. 2024, section 3.1), that is mostly noisy ones, where it is decided what
    the image shows. Of each law one in every equal part of its probability."""
    even = round(count * uniform)
    groups = [(torch.arange(n) + torch.rand(n, generator=generator)) / max(1, n) for n in (even, count - even)]
    # Away from 0 and 1, where the inverse of the normal law has no value.
    noisy = torch.sigmoid(1 + torch.special.ndtri(groups[1].clamp(1e-6, 1 - 1e-6)))
    timesteps = (torch.cat([groups[0], noisy]) * total).long().clamp_max(total - 1)
    return timesteps[torch.randperm(count, generator=generator)]


def target_of(scheduler: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the network is to predict: the noise, the velocity (Salimans and Ho 2022) or the clean latents."""
    prediction = scheduler.config.prediction_type
    if prediction == "epsilon":
        return noise
    return latents if prediction == "sample" else scheduler.get_velocity(latents, noise, timesteps)


def clean_latents(scheduler: DDPMScheduler, noisy: Tensor, prediction: Tensor, timesteps: Tensor) -> Tensor:
    """The clean latents that a prediction amounts to."""
    alphas = scheduler.alphas_cumprod.to(noisy.device)[timesteps].view(-1, 1, 1, 1)
    kind = scheduler.config.prediction_type
    if kind == "sample":
        return prediction
    if kind == "epsilon":
        return (noisy - (1 - alphas).sqrt() * prediction) / alphas.sqrt()
    return alphas.sqrt() * noisy - (1 - alphas).sqrt() * prediction


def min_snr_weights(scheduler: DDPMScheduler, timesteps: Tensor, gamma: float) -> Tensor:
    """Loss weights of min-SNR-gamma (Hang et al. 2023, equation 7) for the scheduler's prediction type, float32 [n]."""
    alphas = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    snr = alphas / (1 - alphas)
    capped = snr.clamp_max(gamma)
    return {"epsilon": capped / snr, "v_prediction": capped / (snr + 1), "sample": capped}[
        scheduler.config.prediction_type
    ]


def validation_noise(captions: list[str], shape: tuple[int, ...]) -> Tensor:
    """Noise [n, *shape] of the validation items: each one's comes from a hash of its place and caption, so that losses
    of different runs can be compared."""
    noise = []
    for index, caption in enumerate(captions):
        seed = int.from_bytes(hashlib.sha256(f"{index}|{caption}".encode()).digest()[:8], "big") >> 1
        noise.append(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
    return torch.stack(noise)
