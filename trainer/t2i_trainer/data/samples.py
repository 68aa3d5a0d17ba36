"""A part of a project's data as training reads it: latents, or images to encode, and text states, by index."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..files import sha256_file, tensor_sha256
from ..stage import Issue, StageError
from .autoencoder import FrozenAutoencoder
from .embeddings import NULL_CAPTION, EmbedOptions, embeddings_folder
from .latents import LatentOptions, latents_folder, load_pixels
from .layout import DataFolder, Sample
from .pt_files import null_file, pt_file, read_pt
from .shards import ShardStore
from .split import split
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


class Images(Protocol):
    """Where latents come from."""

    def load(self, indices: Sequence[int], flipped: Sequence[bool]) -> dict[str, Tensor]:
        """`mean` and `std` [n, c, h, w], float32, or `pixels` [n, 3, H, W], uint8, for the autoencoder."""


class Samples:
    """Images with captions by index. Reading needs no model, so that any process can do it."""

    def __init__(self, stems: Sequence[str], images: Images, states: "States", autoencoder: FrozenAutoencoder):
        self.stems, self.images, self.states, self.autoencoder = stems, images, states, autoencoder

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


class States(Protocol):
    """Text states by index."""

    null: Tensor

    def load(self, indices: Sequence[int]) -> Tensor:
        """float32 [n, tokens, width]."""


class StoredStates:
    """Text states in shards."""

    def __init__(self, store: ShardStore, keys: Sequence[str], null_key: str):
        """Raises StageError where the state of the empty caption is not the one that was first computed."""
        self.store, self.keys = store, keys
        null = store.read([null_key])["states"]
        if tensor_sha256(null) != store.about["null_sha256"]:
            raise _stale("clip.model", "the state of the empty caption", "another one")
        self.null = null[0].float()

    def load(self, indices: Sequence[int]) -> Tensor:
        return self.store.read([self.keys[index] for index in indices])["states"].float()


class PtStates:
    """Text states in a file for each image. Nothing says which caption they were computed from."""

    def __init__(self, folder: Path, stems: Sequence[str]):
        """Reads every file once. Raises StageError that names those that are missing, damaged or of another shape than
        that of the empty caption."""
        self.folder, self.stems = folder, stems
        self.null = read_pt(null_file(folder)).float()
        issues: list[Issue] = []
        for path in (pt_file(folder, stem) for stem in stems):
            try:
                shape = read_pt(path).shape
            except StageError as error:
                issues += error.issues
                continue
            if shape != self.null.shape:
                issues.append(Issue(str(path), f"a tensor {list(self.null.shape)}", f"one {list(shape)}"))
        if issues:
            message = f"{len(issues)} embeddings of {folder / 'pt'} cannot be used"
            raise StageError("DATA_INVALID", message, "Run the stage embed.", tuple(issues))

    def load(self, indices: Sequence[int]) -> Tensor:
        return torch.stack([read_pt(pt_file(self.folder, self.stems[index])).float() for index in indices])


def open_samples(options: SampleOptions, project: Path, data: DataFolder) -> tuple[Samples, Samples]:
    """The images to train on and to validate with. Raises StageError where something is missing, or was computed from
    another caption, image or model."""
    by_stem = {sample.stem: sample for sample in data.samples()}
    parts = split(list(by_stem), options.train_size, options.val_size)
    encoder = FrozenTextEncoder(options.text.model, options.text.max_length, project)
    autoencoder = FrozenAutoencoder(options.latents.model, options.latents.image_size, project)

    def part(stems: list[str]) -> Samples:
        chosen = [by_stem[stem] for stem in stems]
        images = _open_images(options, project, autoencoder, chosen)
        return Samples(stems, images, _open_states(project, encoder, chosen), autoencoder)

    return part(parts[0]), part(parts[1])


def _open_images(options: SampleOptions, project: Path, autoencoder: FrozenAutoencoder, chosen: list[Sample]) -> Images:
    if not options.precompute_latents:
        return ImageFiles([sample.image for sample in chosen], autoencoder.image_size)
    hashes = [sha256_file(sample.image) for sample in chosen]
    keys = [(autoencoder.key(sha256, False), autoencoder.key(sha256, True)) for sha256 in hashes]
    store = _whole(ShardStore(latents_folder(project)), "latents")
    needed = slice(0, 1 + options.latents.flip)
    if missing := [s.stem for s, own in zip(chosen, keys, strict=True) if any(k not in store for k in own[needed])]:
        raise _stale(
            "data.precompute_latents", f"latents of {len(chosen)} images", f"none for {_few(missing)}", "latents"
        )
    return StoredLatents(store, keys)


def _open_states(project: Path, encoder: FrozenTextEncoder, chosen: list[Sample]) -> States:
    folder = embeddings_folder(project)
    if not (folder / "index.json").is_file() and (folder / "pt").is_dir():
        return PtStates(folder, [sample.stem for sample in chosen])
    store = _whole(ShardStore(folder), "embed")
    keys = [encoder.key(sample.caption) for sample in chosen]
    null_key = encoder.key(NULL_CAPTION)
    missing = [sample.stem for sample, key in zip(chosen, keys, strict=True) if key not in store]
    if null_key not in store:
        missing.append("the empty caption")
    if missing:
        raise _stale("clip.model", f"embeddings of {len(chosen)} captions", f"none for {_few(missing)}")
    return StoredStates(store, keys, null_key)


def _whole(store: ShardStore, stage: str) -> ShardStore:
    if damaged := store.damaged():
        raise _stale(str(store.folder), "shards as they were written", f"{_few(damaged)} damaged", stage)
    return store


def _few(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} others"


def _stale(option: str, expected: str, received: str, stage: str = "embed") -> StageError:
    message = f"what training reads is missing, stale or damaged: {received}"
    return StageError("DATA_INVALID", message, f"Run the stage {stage}.", (Issue(option, expected, received),))
