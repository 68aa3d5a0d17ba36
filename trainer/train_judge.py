"""Trains the judge on the composed pictures of data.py, apart from the model it will judge, and states its accuracy on
pictures it has not seen.

python trainer/train_judge.py --data runs/emoji-128/data --test runs/emoji-128/val --out runs/emoji-128/judge
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from t2i_trainer.files import read_samples
from t2i_trainer.judge import Judge, ask, augment, labels, shrink
from t2i_trainer.progress import Progress
from t2i_trainer.training import (
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
    steps: int = 1_500,
    batch: int = 96,
    lr: float = 2e-3,
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
) -> dict[str, float]:
    """Trains, tests, saves; returns the test accuracies by question."""
    pixels, scenes = read_pictures(data)
    answers = labels(scenes)
    seed_everything(seed)
    judge = Judge(1 + int(answers["concept"].max())).to(device)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=lr, weight_decay=0.02)
    sampler, progress = EpochSampler(len(scenes), batch, seed), Progress("judge", steps * batch, "pictures")
    for step in range(steps):
        chosen = np.sort(sampler.indices(step))
        pictures = augment(shrink(pixels[chosen]), step_generator(seed, step)).to(device)
        with autocast(device, precision):
            logits = judge(pictures)
            loss = sum(
                F.cross_entropy(logits[name].float(), answer[torch.from_numpy(chosen)].to(device))
                for name, answer in answers.items()
            )
        descend(optimizer, loss, learning_rate(step, lr, 50, steps, 0.6), clip=None)
        progress.update((step + 1) * batch, loss=loss.item())
    judge.cpu().eval()
    test_pixels, test_scenes = read_pictures(test)
    said, right = ask(judge, test_pixels), labels(test_scenes)
    record = {f"test_{name}_accuracy": (said[name] == right[name]).float().mean().item() for name in right}
    judge.save(
        out, {"steps": steps, "batch": batch, "lr": lr, "seed": seed, "test_pictures": len(test_scenes), **record}
    )
    print(json.dumps(record))
    return record


def read_pictures(folder: Path) -> tuple[np.ndarray, list[dict]]:
    """Pictures and scenes of a data folder."""
    return np.load(folder / "pixels.npy", mmap_mode="r"), read_samples(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1_500)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    add_device_flags(parser)
    train_judge(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
