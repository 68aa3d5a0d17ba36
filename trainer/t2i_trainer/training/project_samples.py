"""A project's prepared data as the training loop reads it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ..data.layout import DataFolder
from ..data.samples import SampleOptions, open_samples
from ..data.samples import Samples as PreparedSamples
from ..params import Params
from .samples import Batch, Samples

# States that are read at once to be hashed.
ROWS = 256


class ProjectSamples(Samples):
    """Prepared samples: stored latents, or images that are decoded as they are read."""

    def __init__(self, prepared: PreparedSamples, flip: bool):
        self.prepared, self.mirrors = prepared, flip
        self.null: Tensor = prepared.null_state
        captions = hashlib.sha256()
        for start in range(0, len(prepared), ROWS):
            rows = range(start, min(start + ROWS, len(prepared)))
            captions.update(prepared.states.load(rows).contiguous().numpy().tobytes())
        keys = list(prepared.keys)
        self.fingerprint = hashlib.sha256(f"{keys} {captions.hexdigest()} {flip}".encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.prepared)

    def read(self, indices: Sequence[int], mirrored: Sequence[bool]) -> dict[str, Tensor]:
        return {**self.prepared.images.load(indices, mirrored), "text": self.prepared.states.load(indices)}

    def encoded(self, read: dict[str, Tensor]) -> Batch:
        mean, std = self.prepared.distribution(read)
        return Batch(mean, std, read["text"])


def open_project(project: Path, params: Params) -> tuple[ProjectSamples, ProjectSamples]:
    """What is trained on and what is validated with, of the sections `data`, `clip` and `vae`. Raises StageError where
    a stage before this one has not been run, or was run with other parameters."""
    training, validation = open_samples(SampleOptions.of(params), project, DataFolder(project / params.data.raw))
    return ProjectSamples(training, params.data.flip), ProjectSamples(validation, False)
