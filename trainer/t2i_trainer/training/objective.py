"""What a denoiser is trained on: noise is added to latents and the network predicts it, the velocity or the latents.

Every random number is a function of (seed, step) and drawn for the whole batch of a step, of which a rank takes its
rows: so a batch teaches the same however many ranks share it.
"""

import dataclasses
from collections.abc import Callable

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from ..networks.denoiser import min_snr_weights, target_of
from ..params import TrainingParams
from .samples import Batch
from .steps import step_generator

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Noisy latents [n, c, h, w], timesteps [n] and text states [n, t, d] to the prediction [n, c, h, w]."""


@dataclasses.dataclass(frozen=True)
class Draws:
    """Random numbers of samples, a row each."""

    posterior: Tensor
    """Normal [n, c, h, w]: which latents of the autoencoder's distribution."""
    noise: Tensor
    """Normal [n, c, h, w]."""
    offset: Tensor
    """Normal [n, c, 1, 1]."""
    perturbation: Tensor
    """Normal [n, c, h, w]."""
    timesteps: Tensor
    """Integers [n], each of 0..T-1 as likely."""
    dropout: Tensor
    """Uniform in 0..1 [n]: whether the caption is dropped."""

    def rows(self, part: slice) -> "Draws":
        return Draws(*(getattr(self, field.name)[part] for field in dataclasses.fields(self)))


def draw(seed: int, step: int, batch: int, shape: tuple[int, ...], timesteps: int, device: torch.device) -> Draws:
    """The draws of all `batch` samples of a step, whose latents have `shape` [c, h, w]."""
    generator = step_generator(seed, step, str(device), stream=1)

    def normal(*size: int) -> Tensor:
        return torch.randn(batch, *size, generator=generator, device=device)

    return Draws(
        normal(*shape), normal(*shape), normal(shape[0], 1, 1), normal(*shape),
        torch.randint(timesteps, (batch,), generator=generator, device=device),
        torch.rand(batch, generator=generator, device=device),
    )  # fmt: skip


def training_loss(
    network: Network, scheduler: DDPMScheduler, options: TrainingParams, batch: Batch, null: Tensor, draws: Draws
) -> Tensor:
    """Mean squared error of the prediction, a number, weighted where `snr_gamma` is given.

    - Noise offset adds noise that a whole channel shares, so that overall brightness is learnt too.
    - Input perturbation adds noise to the input alone, not to the target (Ning et al. 2023, equation 7).
    - A dropped caption is replaced by the null state, for classifier-free guidance (Ho and Salimans 2022).
    """
    latents = batch.mean if batch.std is None else batch.mean + batch.std * draws.posterior
    noise = draws.noise + options.noise_offset * draws.offset
    added = noise + options.input_perturbation * draws.perturbation
    noisy = scheduler.add_noise(latents, added, draws.timesteps)
    dropped = (draws.dropout < options.caption_dropout)[:, None, None]
    predicted = network(noisy, draws.timesteps, torch.where(dropped, null, batch.text))
    target = target_of(scheduler, latents, noise, draws.timesteps)
    error = (predicted.float() - target).square().mean((1, 2, 3))
    if options.snr_gamma is not None:
        error = error * min_snr_weights(scheduler, draws.timesteps, options.snr_gamma)
    return error.mean()
