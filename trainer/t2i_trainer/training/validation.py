"""The validation loss of a denoiser, made so that losses of different steps and runs can be compared."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from ..networks.denoiser import target_of
from .objective import Network
from .samples import Samples, on_device


def validation_record(validation: Samples, scheduler: DDPMScheduler) -> dict[str, Any]:
    """What a validation loss depends on beside the weights: losses may be compared only where all of it agrees."""
    config = scheduler.config
    return {
        "validation_set": validation.fingerprint,
        "items": len(validation),
        "latents": list(validation.batch([0]).mean.shape[1:]),
        "prediction_type": config.prediction_type,
        "noise_schedule": {
            key: config[key]
            for key in ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "rescale_betas_zero_snr")
        },
    }


def item_seeds(fingerprint: str, count: int) -> list[int]:
    """A seed for each item, from a hash of the set's hash and the item's place in it."""
    hashes = (hashlib.sha256(f"{fingerprint}|{index}".encode()).digest() for index in range(count))
    return [int.from_bytes(value[:8], "big") >> 1 for value in hashes]


def item_timesteps(seeds: list[int], total: int) -> Tensor:
    """A timestep for each item: the items, ordered by their seeds, take the middles of as many equal parts of
    0..total-1, so that the whole schedule is covered evenly and neighbours in the set are not at one noise level."""
    order = sorted(range(len(seeds)), key=lambda index: seeds[index])
    timesteps = torch.empty(len(seeds), dtype=torch.long)
    timesteps[torch.tensor(order)] = ((torch.arange(len(seeds)) + 0.5) / len(seeds) * total).long()
    return timesteps


@torch.no_grad()
def validate(
    network: Network, scheduler: DDPMScheduler, validation: Samples, batch: int, device: torch.device,
    rank: int, world: int, total: Callable[[Tensor], Tensor], autocast: Callable[[], AbstractContextManager],
) -> float:  # fmt: skip
    """Mean squared error of the prediction over all items, of which a rank takes every `world`-th in batches of at most
    `batch`. `total` adds up a tensor over the ranks. Never weighted, no caption dropped, and latents are the means.

    All ranks run the network equally often, since a strategy may need all for it; an item that only fills up a batch
    has no weight.
    """
    count = len(validation)
    seeds = item_seeds(validation.fingerprint, count)
    timesteps = item_timesteps(seeds, scheduler.config.num_train_timesteps)
    places = torch.arange(rank, -(-count // world) * world, world)
    added = torch.zeros(2, dtype=torch.float64, device=device)
    for part in places.split(batch):
        chosen = part % count
        latents, _, text = on_device(validation.batch(chosen.tolist()), device)
        noise = torch.stack([_noise(seeds[index], latents.shape[1:]) for index in chosen.tolist()]).to(device)
        t = timesteps[chosen].to(device)
        with autocast():
            predicted = network(scheduler.add_noise(latents, noise, t), t, text)
        error = (predicted.float() - target_of(scheduler, latents, noise, t)).square().mean((1, 2, 3)).double()
        weight = (part < count).to(device, torch.float64)
        added += torch.stack([(error * weight).sum(), weight.sum()])
    squared, count = total(added).tolist()
    return squared / count


def _noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
