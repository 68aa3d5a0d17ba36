"""The training of the text encoder (CLIP's architecture and vocabulary): contrastively against a small image tower, and
its sketch by regression.

The token table starts from GloVe, moved by WordNet (`lexicon.py`), and stays frozen; noise on it, and near words put in
the place of a thing's name, teach the layers above that words close in meaning are one thing. Half of a batch are
groups of captions of one thing, which only colour, count, place, size or background tell apart.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTokenizer

from ..command_line import required
from ..files import read_json, read_samples, write_json
from ..networks.contrast import TOWER_SIDE, ImageTower, TextHead, contrastive_loss
from ..networks.text_encoder import EmbeddingNoise, TextEncoder, new_text_encoder, tokenize
from ..progress import Progress
from ..sections import option
from ..training.fit import Figures, fit
from ..training.pace import Device
from ..training.steps import EpochSampler, autocast, descend, learning_rate, seed_everything, step_generator
from .dataset import open_composer
from .near_words import CaptionWords, near_words
from .scene import Scene
from .sprites import SpriteFeatures
from .words import token_table

# Captions of one thing that stand together in a batch.
GROUP = 8
NEAR_WORDS = "near_words.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextOptions(Device):
    """What the text encoder is trained with."""

    data: Path = required("folder of data.py")
    packages: Path = option(Path("runs/packages"), "folder with the source packages")
    out: Path = required("run folder, for tokenizer/ and text_encoder/")
    steps: int = option(3_000, "steps of the training", least=1)
    batch: int = option(256, "captions of a step", least=2)
    lr: float = option(1e-3, "peak learning rate", above=0)
    width: int = option(128, "of the states", least=1)
    layers: int = option(3, "of the encoder", least=1)
    heads: int = option(4, "of a layer's attention", least=1)
    embedding_noise: float = option(0.5, "length of the normal noise on a token's unit vector", least=0)
    near_share: float = option(0.25, "share of names and colours that a near word stands for", least=0, most=1)
    seed: int = option(0, "of weights, order and noise", least=0)


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


def train_text(options: TextOptions, tokenizer: CLIPTokenizer) -> TextEncoder:
    """Trains the encoder and saves it; returns it frozen."""
    data, device = options.data, options.device
    seed_everything(options.seed)
    samples, concepts = read_samples(data), read_json(data / "concepts.json")
    vocabulary = tokenizer.get_vocab()
    names = [concept["name"] for concept in concepts]
    words, vectors, near = near_words(options.packages, vocabulary, samples, names)
    write_json(options.out / "text_encoder" / NEAR_WORDS, near)
    captions = CaptionWords(samples, concepts, near, options.near_share, options.seed)
    drawn = read_json(data / "data.json")
    composer = open_composer(options.packages, tuple(drawn["styles"]), drawn["limit"], drawn["size"])
    sprites = SpriteFeatures([Scene.parse(sample) for sample in samples], composer)
    table = token_table(vocabulary, words, vectors, options.width, options.seed)
    encoder = new_text_encoder(table, options.layers, options.heads).to(device)
    head, tower = TextHead(options.width, 128).to(device), ImageTower(128).to(device)
    images = small_images(data)
    trained = [p for module in (encoder, head, tower) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.lr, weight_decay=0.01, betas=(0.9, 0.98))
    batches = HardBatches(samples, options.batch, options.seed)
    told: dict[str, Tensor] = {}
    with EmbeddingNoise(encoder, options.embedding_noise) as embedding:

        def learn(step: int, chosen: np.ndarray) -> Figures:
            ids = tokenize(tokenizer, [captions.at(int(index), step) for index in chosen]).to(device)
            embedding.noise = embedding.draw(ids, step_generator(options.seed, step, device))
            indices = torch.from_numpy(chosen)
            with autocast(device, options.precision):
                states = encoder.words(ids)
                pairs = contrastive_loss(
                    head(states, ids), tower(images[indices].to(device)), head.log_scale.exp().clamp(max=50)
                )
                error = F.mse_loss(encoder.sketch.features(states).float(), sprites.batch(indices).to(device))
            # The features' mean square is about 0.2; ten times the error weighs as much as the pairs do.
            descend(optimizer, pairs + 10 * error, learning_rate(step, options.lr, 50, options.steps, 0.5))
            told.update(pairs=pairs.detach(), sketch=error.detach())
            return told

        progress = Progress("text", options.steps * options.batch, "samples")
        fit(learn, map(batches.indices, range(options.steps)), 0, options.batch, progress)
    encoder.eval().requires_grad_(False)
    encoder.save_pretrained(options.out / "text_encoder")
    record: dict[str, Any] = {
        name: getattr(options, name) for name in ("steps", "batch", "lr", "width", "layers", "seed")
    }
    record |= {
        "contrastive_loss": told["pairs"].item(), "sketch_error": told["sketch"].item(),
        "sketch_variance": sprites.features.var().item(), "sketch_share": sprites.share,
    }  # fmt: skip
    write_json(options.out / "text_encoder" / "training.json", record)
    print(json.dumps(record))
    return encoder


def small_images(data: Path) -> Tensor:
    """The data set's images averaged down to 32 x 32, float32 [n, 3, 32, 32] in -1..1."""
    pixels = np.load(data / "pixels.npy", mmap_mode="r")
    factor = pixels.shape[1] // TOWER_SIDE
    small = np.empty((len(pixels), TOWER_SIDE, TOWER_SIDE, 3), np.float32)
    for i in range(0, len(pixels), 1024):
        part = np.asarray(pixels[i : i + 1024], dtype=np.float32)
        small[i : i + 1024] = part.reshape(len(part), TOWER_SIDE, factor, TOWER_SIDE, factor, 3).mean((2, 4))
    return torch.from_numpy(small).permute(0, 3, 1, 2).div(127.5).sub(1).contiguous()
