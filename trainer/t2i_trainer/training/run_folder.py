"""What a training leaves in its run folder, for sampling, evaluation and promotion."""

import json
import math
from pathlib import Path
from typing import Any

import diffusers
import safetensors
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from ..files import read_json_lines, sha256_file, write_atomically, write_json
from ..networks.denoiser import sampling_scheduler
from ..networks.weights import save_config, save_weights
from .lora import has_adapters, merged, save_adapters

WEIGHTS = "diffusion_pytorch_model.safetensors"


class RunFolder:
    """`runs/<name>/`: `unet/` and `scheduler/` in diffusers' layout, `best/`, `options.json`, `metrics.jsonl`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.metrics = folder / "metrics.jsonl"

    def write_options(self, options: dict[str, Any], facts: dict[str, Any]) -> None:
        """`options.json`: every option as it was resolved, what else the weights depend on, and versions."""
        versions = {module.__name__: module.__version__ for module in (torch, diffusers, safetensors)}
        write_json(self.folder / "options.json", {**options, **facts, "versions": versions})

    def forget_after(self, step: int) -> None:
        """Drops the lines of `metrics.jsonl` of later steps, which a killed run wrote and the resumed one repeats."""
        if self.metrics.exists():
            lines = read_json_lines(self.metrics)
            kept = "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step)
            write_atomically(self.metrics, lambda path: path.write_text(kept))

    def add_metrics(self, figures: dict[str, float | int]) -> None:
        """A line of `metrics.jsonl`; a figure that is no number is null."""
        line = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        with self.metrics.open("a") as lines:
            lines.write(json.dumps(line, allow_nan=False) + "\n")

    def write_best(self, unet: UNet2DConditionModel, scheduler: DDPMScheduler, facts: dict[str, Any]) -> None:
        """`best/`: the network as it is now; `best.json`, which has the hash of its weights, is written last."""
        best = self.folder / "best"
        _write_model(best, unet, scheduler)
        write_json(best / "best.json", {**facts, "unet_sha256": sha256_file(best / "unet" / WEIGHTS)})

    def write_model(self, unet: UNet2DConditionModel, scheduler: DDPMScheduler) -> None:
        """`unet/`, `scheduler/` and, of adapters, `pytorch_lora_weights.safetensors`."""
        _write_model(self.folder, unet, scheduler)


def _write_model(folder: Path, unet: UNet2DConditionModel, scheduler: DDPMScheduler) -> None:
    if has_adapters(unet):
        save_adapters(unet, folder)
        unet = merged(unet)
    save_weights(unet, folder / "unet" / WEIGHTS)
    save_config(unet, folder / "unet")
    sampling_scheduler(scheduler).save_pretrained(folder / "scheduler")
