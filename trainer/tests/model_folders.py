"""Tiny models in diffusers' layout, as a project promotes them."""

import json
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from transformers import CLIPTokenizer

from t2i_trainer.golden.tiny_networks import modules
from t2i_trainer.golden.tiny_tokenizer import write_tokenizer_files

RECORD = {
    "run_id": "a1b2c3", "run_name": "run_1", "best_val_diffuser_loss": 0.25, "best_step": 40,
    "data_fingerprint": "ab" * 32, "licence": "CC0", "config_sha256": "cd" * 32,
    "validation": {"validation_set": "ef" * 32, "items": 8},
}  # fmt: skip


def write_project(
    project: Path, channels: int = 4, factor: int = 8, size: object = 8, prediction: str = "epsilon", latents=None
) -> Path:
    """A project whose `saved_models/` holds a random model, no two weights alike; returns its diffuser folder."""
    clip, unet, vae = modules(seed=0, channels=channels, factor=factor, sample_size=size)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in (*clip.parameters(), *unet.parameters(), *vae.parameters()):
            parameter.add_(1e-3 * torch.randn(parameter.shape, generator=generator))
    scheduler = DDIMScheduler(
        prediction_type=prediction, beta_schedule="squaredcos_cap_v2", clip_sample=False, set_alpha_to_one=False
    )
    write_tokenizer_files(project / "tokenizer")
    pipeline = StableDiffusionPipeline(
        vae, clip, CLIPTokenizer.from_pretrained(project / "tokenizer"), unet, scheduler, None, None, None, False
    )
    folder = project / "saved_models" / "diffuser"
    pipeline.save_pretrained(folder)
    (project / "saved_models" / "model_metadata.json").write_text(json.dumps(RECORD))
    return folder


def parameters(**sections: dict) -> dict:
    """The sections that these stages read, as the command line hands them over."""
    given = {
        "export": {"name": "flowers", "opset": 17, "steps": 30, "guidance_scale": 7.5, "int8": False},
        "evaluate": {"steps": 2, "guidance_scale": 3.0, "seeds": 2, "clip_model": None, "fid_images": 0},
        "log_trained_model": {"diffuser_dir": "saved_models", "min_delta": 0},
        "vae": {"image_size": [64, 64]},
        "data": {"raw": "data/raw/flowers"},
    }
    return {name: {**section, **sections.get(name, {})} for name, section in given.items()}
