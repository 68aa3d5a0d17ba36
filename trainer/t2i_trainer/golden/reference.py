"""Runs a diffusers scheduler over tiny latents with a closed-form network, and writes down what it did."""

import math
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
)

SCHEDULERS = {
    "ddim": DDIMScheduler,
    "ddpm": DDPMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
    "dpmpp-2m": DPMSolverMultistepScheduler,
    "lcm": LCMScheduler,
}

LATENT_SIZE = 4
SEED = 7
# Longer lists of timesteps are kept as a checksum.
MAX_LISTED_STEPS = 50


def network(latents: torch.Tensor, timestep: float) -> torch.Tensor:
    """A bounded function of latents and timestep whose operations round alike in every language."""
    x = latents.double().flatten()
    place = torch.arange(x.numel(), dtype=torch.float64) - 1.5
    out = 0.7 * (x / (1 + x.abs())) + 0.1 * place + timestep / 2000
    return out.float().reshape(latents.shape)


def make_scheduler(sampler: str, config: dict[str, Any], sigmas: str | None) -> Any:
    """The scheduler that a diffusers user would load from `config` for `sampler`."""
    karras = {"use_karras_sigmas": True} if sigmas == "karras" else {}
    return SCHEDULERS[sampler](**config, **karras)


def run_case(case: dict) -> dict:
    """Denoises `LATENT_SIZE` values; returns timesteps and variance-preserving latents, or why diffusers cannot."""
    try:
        # A scheduler warns about division by zero and about its own deprecations; neither is of interest here.
        with np.errstate(all="ignore"):
            return _trajectory(case)
    except (NotImplementedError, ValueError, IndexError) as error:
        return {"refused": f"{type(error).__name__}: {error}"[:160]}


def _trajectory(case: dict) -> dict:
    sampler, steps = case["sampler"], case["steps"]
    scheduler = make_scheduler(sampler, case["config"], case.get("sigmas"))
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps.tolist()
    crashes = _crashes_by_timestep(scheduler)
    # Without it two equal first timesteps start some schedulers at their second sigma.
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    generator = torch.Generator("cpu").manual_seed(SEED)
    latents = torch.randn((1, LATENT_SIZE, 1, 1), generator=generator) * scheduler.init_noise_sigma
    extra = {"eta": case["eta"]} if "eta" in case else {}
    if sampler != "dpmpp-2m":
        extra["generator"] = generator
    kept = {}
    for index, timestep in enumerate(scheduler.timesteps):
        inputs = scheduler.scale_model_input(latents, timestep)
        if index in _kept_steps(steps):
            kept[str(index)] = floats(inputs)
        latents = scheduler.step(network(inputs, float(timestep)), timestep, latents, **extra).prev_sample
    result = timestep_record(timesteps) | {"latents": kept, "final": floats(_preserving(latents, scheduler, sampler))}
    return result | ({"crashesUnindexed": True} if crashes else {})


def _kept_steps(steps: int) -> set[int]:
    return {0, 1, steps // 2, steps - 1}


def _preserving(latents: torch.Tensor, scheduler: Any, sampler: str) -> torch.Tensor:
    if not sampler.startswith("euler"):
        return latents
    return latents / (scheduler.sigmas[-1] ** 2 + 1) ** 0.5


def _crashes_by_timestep(scheduler: Any) -> bool:
    """Whether the scheduler, left to find its place by timestep, starts one sigma late and runs off the end."""
    find = getattr(scheduler, "index_for_timestep", None)
    return find is not None and find(scheduler.timesteps[0]) != 0


def timestep_record(timesteps: list) -> dict:
    """The timesteps themselves, or their checksum where they are many."""
    if len(timesteps) <= MAX_LISTED_STEPS:
        return {"timesteps": timesteps}
    return {"timestepChecksum": checksum(timesteps)}


def checksum(values: list) -> float:
    """Sum of value times position, from 1, in float64 from the left."""
    total = 0.0
    for position, value in enumerate(values, start=1):
        total += value * position
    return total


def floats(tensor: torch.Tensor) -> list:
    """float32 values in the fewest digits that give them back exactly; null stands for what is not finite."""
    return [float(str(np.float32(v))) if math.isfinite(v) else None for v in tensor.flatten().tolist()]
