"""Trains the sketch: from a caption's states to the mean of its pictures' latents. Minutes on a CPU; train.py starts
from it.

python trainer/train_sketch.py --data runs/emoji-128/data --val runs/emoji-128/val --out runs/emoji-128/sketch
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from t2i_trainer.files import write_atomically, write_json
from t2i_trainer.latents import LatentSet
from t2i_trainer.progress import Progress
from t2i_trainer.sketch import Sketch
from t2i_trainer.training import (
    EpochSampler,
    add_device_flags,
    autocast,
    descend,
    learning_rate,
    seed_everything,
    step_generator,
)


def train_sketch(
    data: Path,  # folder with latents.npy, states.npy, captions.json, samples.jsonl
    val: Path,  # the same for validation
    out: Path,  # receives sketch.safetensors and training.json
    steps: int = 6_000,
    batch: int = 128,
    lr: float = 2e-3,
    caption_dropout: float = 0.05,  # share of samples that see the empty caption: its sketch is the mean of all
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
) -> Sketch:
    """Trains with the squared error and returns the sketch."""
    training, validation = LatentSet(data), LatentSet(val)
    seed_everything(seed)
    sketch = Sketch(training.states.shape[-1], training.latents.shape[1], training.latents.shape[-1]).to(device)
    optimizer = torch.optim.AdamW(sketch.parameters(), lr=lr, weight_decay=0.01, betas=(0.9, 0.99))
    sampler, progress = EpochSampler(len(training), batch, seed), Progress("sketch", steps * batch, "samples")
    for step in range(steps):
        drop = torch.rand(batch, generator=step_generator(seed, step)) < caption_dropout
        latents, states = training.batch(torch.from_numpy(sampler.indices(step)), drop)
        with autocast(device, precision):
            loss = F.mse_loss(sketch(states.to(device)).float(), latents.to(device))
        descend(optimizer, loss, learning_rate(step, lr, 100, steps, 0.5))
        progress.update((step + 1) * batch, loss=loss.item())
    with torch.no_grad():
        latents, states = validation.batch(torch.arange(len(validation)))
        val_loss = F.mse_loss(sketch(states.to(device)).cpu(), latents).item()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sketch.state_dict().items()}
    write_atomically(out / "sketch.safetensors", lambda path: save_file(tensors, path))
    record = {"steps": steps, "batch": batch, "lr": lr, "seed": seed, "train_loss": loss.item(), "val_loss": val_loss}
    write_json(out / "training.json", record)
    print(json.dumps(record))
    return sketch


def load_sketch(folder: Path) -> dict[str, torch.Tensor]:
    """The weights that `train_sketch` wrote."""
    return load_file(folder / "sketch.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    add_device_flags(parser)
    train_sketch(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
