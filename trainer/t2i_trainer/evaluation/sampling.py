"""Images from a run folder in PyTorch: the reference that evaluation and benchmarks share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTokenizer

from ..networks.autoencoder import load_autoencoder
from ..networks.denoiser import latent_size, load_unet
from ..networks.text_encoder import load_text_encoder, tokenize
from ..progress import Progress


@dataclass
class Run:
    """The trained parts of a run folder, frozen, on one device."""

    tokenizer: CLIPTokenizer
    text_encoder: Any
    unet: UNet2DConditionModel
    vae: Any
    scheduler: DDIMScheduler
    device: str

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Run":
        def frozen(model: Any) -> Any:
            return model.to(device).eval().requires_grad_(False)

        return cls(
            CLIPTokenizer.from_pretrained(folder / "tokenizer"),
            frozen(load_text_encoder(folder / "text_encoder")),
            frozen(load_unet(folder / "unet")),
            frozen(load_autoencoder(folder / "vae")),
            DDIMScheduler.from_pretrained(folder / "scheduler"),
            device,
        )

    def states(self, prompts: list[str]) -> torch.Tensor:
        """Text states, float32 [n, context, width]."""
        context = self.text_encoder.config.max_position_embeddings
        ids = tokenize(self.tokenizer, prompts, context)
        states = self.text_encoder(ids.to(self.device))
        return states if isinstance(states, torch.Tensor) else states.last_hidden_state


@torch.no_grad()
def generate(
    run: Run,
    prompts: list[str],
    seeds: list[int],
    steps: int = 30,
    guidance: float = 5.0,
    batch: int = 32,
    quiet: bool = False,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """One image for each prompt with its seed, DDIM with eta 0; uint8 [n, height, width, 3]. A seed means the same
    noise as in the SDK. `size` is height and width in latent pixels, the model's own where it is absent."""
    channels = run.unet.config.in_channels
    height, width = size or latent_size(run.unet)
    images, progress = [], Progress("sample", len(prompts), "images")
    for start in range(0, len(prompts), batch):
        part = prompts[start : start + batch]
        states = run.states([""] * len(part) + part) if guidance > 1 else run.states(part)
        noise = [
            torch.randn((1, channels, height, width), generator=torch.Generator().manual_seed(seed))
            for seed in seeds[start : start + batch]
        ]
        x = torch.cat(noise).to(run.device, run.unet.dtype)
        run.scheduler.set_timesteps(steps, device=run.device)
        for t in run.scheduler.timesteps:
            if guidance > 1:
                free, bound = run.unet(torch.cat([x, x]), t, states).sample.chunk(2)
                predicted = free + guidance * (bound - free)
            else:
                predicted = run.unet(x, t, states).sample
            x = run.scheduler.step(predicted, t, x).prev_sample
        config = run.vae.config
        decoded = run.vae.decode(x / config["scaling_factor"] + (config.get("shift_factor") or 0))
        image = decoded if isinstance(decoded, torch.Tensor) else decoded.sample
        images.append(((image / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
        if not quiet:
            progress.update(min(start + batch, len(prompts)))
    return np.concatenate(images)
