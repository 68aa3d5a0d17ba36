"""The training of a judge on composed images, apart from the model it will judge, and its accuracy on images it has not
seen."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ..command_line import required
from ..files import read_json, read_samples
from ..progress import Progress
from ..sections import option
from ..training.fit import Figures, fit
from ..training.pace import Device
from ..training.steps import EpochSampler, autocast, descend, learning_rate, seed_everything, step_generator
from .judge import BODIES, NOT_ASKED, Judge, ask, augment, labels, to_judge, with_nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class JudgeOptions(Device):
    """What a judge is trained with."""

    data: Path = required("folder of data.py")
    test: Path = required("another, drawn with another seed")
    out: Path = required("folder for judge.safetensors and judge.json")
    steps: int = option(2_500, "steps of the training", least=1)
    batch: int = option(64, "images of a step", least=1)
    lr: float = option(2e-3, "peak learning rate", above=0)
    body: str = option("plain", "network between pixels and answers", choices=tuple(BODIES))
    seed: int = option(0, "of weights, order and augmentation", least=0)


def train_judge(options: JudgeOptions) -> dict[str, float]:
    """Trains, tests, saves; returns the test accuracies by question."""
    pixels, samples = read_images(options.data)
    concepts = len(read_json(options.data / "concepts.json"))
    answers = labels(samples, concepts)
    seed_everything(options.seed)
    judge = Judge(concepts, options.body).to(options.device)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=options.lr, weight_decay=0.02)
    sampler = EpochSampler(len(samples), options.batch, options.seed)

    def learn(step: int, chosen: np.ndarray) -> Figures:
        draw = step_generator(options.seed, step)
        asked = {name: answer[torch.from_numpy(chosen)] for name, answer in answers.items()}
        images, asked = with_nothing(to_judge(pixels[chosen]), asked, concepts, draw)
        images = augment(images, draw).to(options.device)
        with autocast(options.device, options.precision):
            logits = judge(images)
            losses = [
                F.cross_entropy(logits[name].float(), answer.to(options.device), ignore_index=NOT_ASKED)
                for name, answer in asked.items()
            ]
        loss = torch.stack(losses).sum()
        descend(optimizer, loss, learning_rate(step, options.lr, 50, options.steps, 0.6), clip=None)
        return {"loss": loss.detach()}

    progress = Progress("judge", options.steps * options.batch, "images")
    fit(learn, map(sampler.indices, range(options.steps)), 0, options.batch, progress)
    judge.cpu().eval()
    test_pixels, test_samples = read_images(options.test)
    said, right = ask(judge, test_pixels), labels(test_samples, concepts)
    record = {f"test_{name}_accuracy": (said[name] == right[name]).float().mean().item() for name in right}
    settings = {name: getattr(options, name) for name in ("steps", "batch", "lr", "seed")}
    judge.save(options.out, {**settings, "test_images": len(test_samples), **record})
    print(json.dumps(record))
    return record


def read_images(folder: Path) -> tuple[np.ndarray, list[dict]]:
    """Images and samples of a data folder."""
    return np.load(folder / "pixels.npy", mmap_mode="r"), read_samples(folder)
