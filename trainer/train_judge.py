"""Trains a judge on the composed images of data.py, apart from the model it will judge, and states its accuracy on
images it has not seen.

    python trainer/train_judge.py --data runs/emoji-128/data --test runs/emoji-128/val --out runs/emoji-128/judge

One judge is for decisions while a model is trained; another, of another body and seed, is for the final measurement and
is asked once.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from t2i_trainer.emoji.judge import BODIES, NOT_ASKED, Judge, ask, augment, labels, to_judge, with_nothing
from t2i_trainer.files import read_json, read_samples
from t2i_trainer.progress import Progress
from t2i_trainer.training.steps import (
    EpochSampler,
    add_device_flags,
    autocast,
    descend,
    learning_rate,
    seed_everything,
    step_generator,
)


def train_judge(
    data: Path,  # folder of data.py
    test: Path,  # another, drawn with another seed
    out: Path,  # receives judge.safetensors and judge.json
    steps: int = 2_500,
    batch: int = 64,
    lr: float = 2e-3,
    body: str = "plain",  # of BODIES
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
) -> dict[str, float]:
    """Trains, tests, saves; returns the test accuracies by question."""
    pixels, samples = read_images(data)
    concepts = len(read_json(data / "concepts.json"))
    answers = labels(samples, concepts)
    seed_everything(seed)
    judge = Judge(concepts, body).to(device)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=lr, weight_decay=0.02)
    sampler, progress = EpochSampler(len(samples), batch, seed), Progress("judge", steps * batch, "images")
    for step in range(steps):
        chosen, draw = sampler.indices(step), step_generator(seed, step)
        asked = {name: answer[torch.from_numpy(chosen)] for name, answer in answers.items()}
        images, asked = with_nothing(to_judge(pixels[chosen]), asked, concepts, draw)
        images = augment(images, draw).to(device)
        with autocast(device, precision):
            logits = judge(images)
            loss = sum(
                F.cross_entropy(logits[name].float(), answer.to(device), ignore_index=NOT_ASKED)
                for name, answer in asked.items()
            )
        descend(optimizer, loss, learning_rate(step, lr, 50, steps, 0.6), clip=None)
        progress.update((step + 1) * batch, loss=loss.item())
    judge.cpu().eval()
    test_pixels, test_samples = read_images(test)
    said, right = ask(judge, test_pixels), labels(test_samples, concepts)
    record = {f"test_{name}_accuracy": (said[name] == right[name]).float().mean().item() for name in right}
    options = {"steps": steps, "batch": batch, "lr": lr, "seed": seed}
    judge.save(out, {**options, "test_images": len(test_samples), **record})
    print(json.dumps(record))
    return record


def read_images(folder: Path) -> tuple[np.ndarray, list[dict]]:
    """Images and samples of a data folder."""
    return np.load(folder / "pixels.npy", mmap_mode="r"), read_samples(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2_500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--body", choices=list(BODIES), default="plain")
    parser.add_argument("--seed", type=int, default=0)
    add_device_flags(parser)
    train_judge(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
