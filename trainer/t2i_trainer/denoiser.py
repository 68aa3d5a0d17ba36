"""The denoiser, its noise schedule and its loss: what `train.py` optimises and validates."""

import hashlib

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor

from .sketch import SketchUNet


def new_unet(
    channels: tuple[int, ...], layers: int, text_width: int, latent_channels: int, side: int, heads: int = 4
) -> SketchUNet:
    """A UNet with the block order of the reference system: no attention at the full latent size, cross-attention below
    it.

    The text also reaches every residual block: its states, pooled by attention, are added to the timestep's embedding,
    which
    scales and shifts the features (as the class does in Dhariwal and Nichol 2021). Without it the first pictures had
    colours
    and backgrounds long before they had shapes.
    """
    attending = len(channels) - 1
    return SketchUNet(
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
    """The same process as a DDIM sampler, the form that is saved with the model."""
    return DDIMScheduler.from_config(
        training.config, set_alpha_to_one=False, timestep_spacing="trailing", clip_sample=False
    )


def stratified_timesteps(count: int, total: int, exponent: float, generator: torch.Generator) -> Tensor:
    """`count` timesteps of 0..total-1 in random order, t = total * u^exponent with one u in each of `count` equal
    parts of 0..1.

    Exponent 1 is uniform; below 1 the noisy timesteps, where it is decided what the picture shows, come more often.
    """
    places = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    timesteps = (places**exponent * total).long().clamp_max(total - 1)
    return timesteps[torch.randperm(count, generator=generator)]


def target_of(scheduler: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the network is to say: the noise, the velocity (Salimans and Ho 2022) or the clean latents."""
    prediction = scheduler.config.prediction_type
    if prediction == "epsilon":
        return noise
    return latents if prediction == "sample" else scheduler.get_velocity(latents, noise, timesteps)


def min_snr_weights(scheduler: DDPMScheduler, timesteps: Tensor, gamma: float) -> Tensor:
    """Loss weights of min-SNR-gamma (Hang et al. 2023, equation 7) for the scheduler's prediction type, float32 [n]."""
    alphas = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    snr = alphas / (1 - alphas)
    capped = snr.clamp_max(gamma)
    return {"epsilon": capped / snr, "v_prediction": capped / (snr + 1), "sample": capped}[
        scheduler.config.prediction_type
    ]


def validation_draws(captions: list[str], shape: tuple[int, ...], total: int) -> tuple[Tensor, Tensor]:
    """Noise [n, *shape] and timesteps [n] of the validation items. The noise of an item comes from a hash of its place
    and caption, the timesteps are
    spread evenly over 0..total-1, so that losses of different runs can be compared."""
    noise = []
    for index, caption in enumerate(captions):
        seed = int.from_bytes(hashlib.sha256(f"{index}|{caption}".encode()).digest()[:8], "big") >> 1
        noise.append(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))
    order = sorted(
        range(len(captions)), key=lambda index: hashlib.sha256(f"{index}|{captions[index]}|t".encode()).digest()
    )
    timesteps = torch.empty(len(captions), dtype=torch.long)
    for rank, index in enumerate(order):
        timesteps[index] = int((rank + 0.5) / len(captions) * total)
    return torch.stack(noise), timesteps
