"""A part of a project's data as training reads it: latents, or images to encode, and text states, by index."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..files import sha256_file
from ..params import Params
from .autoencoder import FrozenAutoencoder
from .embeddings import EmbedOptions
from .latents import LatentOptions, latents_folder, load_pixels
from .layout import DataFolder, Sample
from .shards import ShardStore
from .split import split
from .stale import few, stale, whole
from .states import States, open_states
from .text import FrozenTextEncoder


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """What is read for training."""

    text: EmbedOptions = dataclasses.field(metadata={"help": "with what captions were encoded"})
    latents: LatentOptions = dataclasses.field(metadata={"help": "with what images are or were encoded"})
    train_size: int = dataclasses.field(metadata={"help": "images to train on, 1 or more"})
    val_size: int = dataclasses.field(metadata={"help": "images to validate with, 0 or more"})
    precompute_latents: bool = dataclasses.field(
        default=True, metadata={"help": "read the latents of the stage latents; else encode images as they are needed"}
    )

    @classmethod
    def of(cls, params: Params) -> "SampleOptions":
        """Those of the sections `data`, `clip` and `vae`."""
        data = params.data
        return cls(
            text=EmbedOptions.of(params),
            latents=LatentOptions.of(params),
            train_size=data.train_size,
            val_size=data.val_size,
            precompute_latents=data.precompute_latents,
        )


class Images(Protocol):
    """Where latents come from."""

    def load(self, indices: Sequence[int], flipped: Sequence[bool]) -> dict[str, Tensor]:
        """`mean` and `std` [n, c, h, w], float32, or `pixels` [n, 3, H, W], uint8, for the autoencoder."""


class Samples:
    """Images with captions by index. Reading needs no model, so that any process can do it."""

    def __init__(
        self, stems: Sequence[str], keys: Sequence[str], images: Images, states: States,
        autoencoder: FrozenAutoencoder,
    ):  # fmt: skip
        """`keys` change with an image, the autoencoder or the size."""
        self.stems, self.keys, self.images, self.states = stems, keys, images, states
        self.autoencoder = autoencoder

    def __len__(self) -> int:
        return len(self.stems)

    @property
    def null_state(self) -> Tensor:
        """The states of the empty caption, float32 [tokens, width]."""
        return self.states.null

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and standard deviation of the latents, [n, c, h, w], and text states [n, tokens, width], float32."""
        indices = [int(index) for index in indices]
        mean, std = self.distribution(self.images.load(indices, [False] * len(indices)))
        return mean, std, self.states.load(indices)

    def distribution(self, image: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of what `images` loaded; encodes pixels."""
        return self.autoencoder.encode(image["pixels"]) if "pixels" in image else (image["mean"], image["std"])


class StoredLatents:
    """Latents that the stage `latents` computed."""

    def __init__(self, store: ShardStore, keys: Sequence[tuple[str, str]]):
        """`keys` of each image, as it is and mirrored."""
        self.store, self.keys = store, keys

    def load(self, indices: Sequence[int], flipped: Sequence[bool]) -> dict[str, Tensor]:
        keys = [self.keys[index][flip] for index, flip in zip(indices, flipped, strict=True)]
        return {name: rows.float() for name, rows in self.store.read(keys).items()}


class ImageFiles:
    """Images that are decoded when they are needed."""

    def __init__(self, files: Sequence[Path], size: tuple[int, int]):
        self.files, self.size = files, size

    def load(self, indices: Sequence[int], flipped: Sequence[bool]) -> dict[str, Tensor]:
        chosen = zip(indices, flipped, strict=True)
        return {"pixels": torch.stack([load_pixels(self.files[index], self.size, flip) for index, flip in chosen])}


def open_samples(options: SampleOptions, project: Path, data: DataFolder) -> tuple[Samples, Samples]:
    """The images to train on and to validate with. Raises StageError where something is missing, or was computed from
    another caption, image or model."""
    by_stem = {sample.stem: sample for sample in data.samples()}
    parts = split(list(by_stem), options.train_size, options.val_size)
    encoder = FrozenTextEncoder(options.text.model, options.text.max_length, project)
    autoencoder = FrozenAutoencoder(options.latents.model, options.latents.image_size, project)

    def part(stems: list[str]) -> Samples:
        chosen = [by_stem[stem] for stem in stems]
        hashes = [sha256_file(sample.image) for sample in chosen]
        keys = [(autoencoder.key(sha256, False), autoencoder.key(sha256, True)) for sha256 in hashes]
        images = _open_images(options, project, keys, chosen)
        states = open_states(project, encoder, chosen)
        return Samples(stems, [plain for plain, _ in keys], images, states, autoencoder)

    return part(parts[0]), part(parts[1])


def _open_images(options: SampleOptions, project: Path, keys: list[tuple[str, str]], chosen: list[Sample]) -> Images:
    if not options.precompute_latents:
        return ImageFiles([sample.image for sample in chosen], options.latents.image_size)
    store = whole(ShardStore(latents_folder(project)), "latents")
    needed = slice(0, 1 + options.latents.flip)
    if missing := [s.stem for s, own in zip(chosen, keys, strict=True) if any(k not in store for k in own[needed])]:
        raise stale(
            "data.precompute_latents", f"latents of {len(chosen)} images", f"none for {few(missing)}", "latents"
        )
    return StoredLatents(store, keys)
