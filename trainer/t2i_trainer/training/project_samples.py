"""A project's prepared data as the training loop reads it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..data.embeddings import EmbedOptions
from ..data.latents import LatentOptions
from ..data.layout import DataFolder
from ..data.samples import SampleOptions, open_samples
from ..data.samples import Samples as PreparedSamples
from ..files import sha256_file
from .samples import Batch


class ProjectSamples:
    """Prepared samples; where images are mirrored too, the second half of the indices are the mirrored ones."""

    def __init__(self, prepared: PreparedSamples, files: Sequence[Path], flip: bool):
        """`files` are the images, in the order of the samples."""
        self.prepared, self.flip = prepared, flip
        self.null: Tensor = prepared.null_state
        captions = hashlib.sha256()
        for index in range(len(prepared)):
            captions.update(prepared.states.load([index]).numpy().tobytes())
        autoencoder = prepared.autoencoder
        keys = [autoencoder.key(sha256_file(file), False) for file in files]
        self.fingerprint = hashlib.sha256(f"{keys} {captions.hexdigest()} {flip}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.prepared) * (2 if self.flip else 1)

    def batch(self, indices: Sequence[int]) -> Batch:
        count = len(self.prepared)
        places = [int(index) % count for index in indices]
        image = self.prepared.images.load(places, [int(index) >= count for index in indices])
        mean, std = self.prepared.distribution(image)
        return Batch(mean, std, self.prepared.states.load(places))


def open_project(project: Path, params: dict[str, Any]) -> tuple[ProjectSamples, ProjectSamples]:
    """What is trained on and what is validated with, of the sections `data`, `clip` and `vae`. Raises StageError where
    a stage before this one has not been run, or was run with other parameters."""
    data, clip, vae = params["data"], params["clip"], params["vae"]
    height, width = vae["image_size"]
    options = SampleOptions(
        text=EmbedOptions(model=clip["model"], max_length=clip["max_length"], layout=clip["layout"]),
        latents=LatentOptions(model=vae["model"], image_size=(height, width), flip=data["flip"]),
        train_size=data["train_size"],
        val_size=data["val_size"],
        precompute_latents=data["precompute_latents"],
    )
    folder = DataFolder(project / data["raw"])
    images = {sample.stem: sample.image for sample in folder.samples()}
    training, validation = open_samples(options, project, folder)
    return (
        ProjectSamples(training, [images[stem] for stem in training.stems], data["flip"]),
        ProjectSamples(validation, [images[stem] for stem in validation.stems], False),
    )
