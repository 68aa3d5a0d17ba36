"""Tiny models in diffusers' layout, as a project promotes them."""

import json
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from tiny_training import resolved
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from t2i_trainer.golden.tiny_networks import modules
from t2i_trainer.golden.tiny_tokenizer import vocabulary, write_tokenizer_files
from t2i_trainer.params import Params

RECORD = {
    "run_name": "run_1", "best_val_diffuser_loss": 0.25, "best_step": 40, "config_hash": "cd" * 32,
    "validation": {"validation_set": "ef" * 32, "items": 8}, "files": {}, "forced": None, "replaces": None,
}  # fmt: skip


def write_project(
    project: Path, channels: int = 4, factor: int = 8, size: object = 8, prediction: str = "epsilon"
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


def parameters(**sections: dict) -> Params:
    """The parameters, as the command line hands them over."""
    given = {"export": {"name": "flowers"}, "evaluate": {"steps": 2, "seeds": 2}, "vae": {"image_size": [64, 64]}}
    sections = {name: {**given.get(name, {}), **sections.get(name, {})} for name in {**given, **sections}}
    return resolved(sections)


def write_clip(folder: Path) -> Path:
    """A CLIP of random weights with both of its sides."""
    size = len(vocabulary())
    ends = {"bos_token_id": size - 2, "eos_token_id": size - 1, "pad_token_id": size - 1}
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": size, "max_position_embeddings": 77, **ends, **tower}
    torch.manual_seed(0)
    vision = {"image_size": 32, "patch_size": 8, **tower}
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    with torch.no_grad():  # random embeddings are faint: without this every prompt and image is like every other
        clip.text_model.embeddings.token_embedding.weight.mul_(50)
        clip.vision_model.embeddings.patch_embedding.weight.mul_(50)
        clip.text_projection.weight.neg_()  # so that cosines are above 0
    clip.save_pretrained(folder)
    write_tokenizer_files(folder / "tokenizer")
    return folder


def write_data(project: Path, count: int) -> Path:
    """Images of one colour each, with captions, at the place that the parameters have by default."""
    folder = project / "data" / "raw" / "dataset"
    for part in ("images", "captions"):
        (folder / part).mkdir(parents=True)
    for index in range(count):
        Image.new("RGB", (80, 40), (20 * index, 90, 160)).save(folder / "images" / f"{index}.png")
        (folder / "captions" / f"{index}.txt").write_text(f"a flower {index}")
    return folder
