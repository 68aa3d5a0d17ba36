"""How well the denoiser knows clean latents from noisy ones of images it has not seen."""

import numpy as np
import torch
from diffusers import DDPMScheduler
from torch import nn
from transformers import CLIPTokenizer

from ..networks.denoiser import clean_latents, validation_noise
from ..networks.text_encoder import tokenize
from ..training.steps import autocast
from .latents import LatentSet

# Timesteps, as shares of all, at which validation asks for the clean latents.
VALIDATION_TIMES = (1.0, 0.9, 0.7, 0.4)


@torch.no_grad()
def validate(
    model: nn.Module, scheduler: DDPMScheduler, validation: LatentSet, tokenizer: CLIPTokenizer, device: str,
    precision: str, most: int = 256, batch: int = 64,
) -> dict[str, float]:  # fmt: skip
    """Mean squared error of the clean latents at each of VALIDATION_TIMES over the first `most` items, whose noise is
    always the same; `val_loss` is the mean of these."""
    model.eval()
    total, count = scheduler.config.num_train_timesteps, min(most, len(validation))
    captions = validation.captions[:count]
    noise = validation_noise(captions, tuple(validation.latents.shape[1:]))
    ids = tokenize(tokenizer, captions)
    errors: dict[str, float] = {}
    for share in VALIDATION_TIMES:
        parts = []
        for i in range(0, count, batch):
            part = slice(i, min(i + batch, count))
            latents, eps = validation.batch(torch.arange(count)[part]), noise[part].to(device)
            t = torch.full((len(latents),), min(total - 1, round(share * total)), device=device)
            noisy = scheduler.add_noise(latents, eps, t)
            with autocast(device, precision):
                predicted = model(noisy, t, ids[part].to(device))
            clean = clean_latents(scheduler, noisy, predicted.float(), t)
            parts.append((clean - latents).square().mean((1, 2, 3)))
        errors[f"val_{share:g}"] = torch.cat(parts).mean().item()
    model.train()
    return {"val_loss": float(np.mean(list(errors.values()))), **errors}
