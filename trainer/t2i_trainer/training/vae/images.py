"""The images of a project as the training of an autoencoder reads them: cropped, and in the split of the denoiser."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ...data.images import ImageRefused
from ...data.latents import load_pixels
from ...data.layout import DataFolder
from ...data.samples import ImageFiles
from ...data.split import split
from ...files import sha256_file
from ...stage import Issue, StageError, StageProgress
from ..steps import EpochSampler, step_generator


class Pixels:
    """Images of one size by index."""

    def __init__(self, files: Sequence[Path], size: tuple[int, int]):
        """`size` is height and width in pixels."""
        self.files, self.images = files, ImageFiles(files, size)
        hashes = [sha256_file(file) for file in files]
        self.fingerprint = hashlib.sha256(f"{hashes} {size}".encode()).hexdigest()
        """Changes with the bytes of each image, their order and the size."""

    def __len__(self) -> int:
        return len(self.files)

    def load(self, indices: Sequence[int], flipped: Sequence[bool]) -> Tensor:
        """uint8 [n, 3, h, w]."""
        return self.images.load(indices, flipped)["pixels"]


class PixelBatches(Dataset):
    """`batches[step]`, uint8 [batch, 3, h, w]: a function of (seed, step) alone, for `training.steps.prepared`."""

    def __init__(self, pixels: Pixels, batch: int, seed: int, flip: bool):
        """`flip` mirrors each image in half of the epochs."""
        self.pixels, self.batch, self.seed, self.flip = pixels, batch, seed, flip
        self.sampler = EpochSampler(len(pixels), batch, seed)

    def __getitem__(self, step: int) -> Tensor:
        draws = torch.rand(self.batch, generator=step_generator(self.seed, step))
        flipped = [self.flip and draw < 0.5 for draw in draws.tolist()]
        return self.pixels.load(self.sampler.indices(step).tolist(), flipped)


def open_pixels(
    data: DataFolder, size: tuple[int, int], train_size: int, val_size: int, threads: int
) -> tuple[Pixels, Pixels]:
    """The images to train on and to validate with. Raises StageError with every image that cannot be read, since one
    of them would end a training hours later."""
    files = {sample.stem: sample.image for sample in data.samples()}
    training, validation = ([files[stem] for stem in part] for part in split(list(files), train_size, val_size))
    _check([*training, *validation], size, threads)
    return Pixels(training, size), Pixels(validation, size)


def _check(files: list[Path], size: tuple[int, int], threads: int) -> None:
    progress, issues = StageProgress("checking", len(files), "images"), []

    def refusal(file: Path) -> str | None:
        try:
            load_pixels(file, size)
        except ImageRefused as refused:
            return str(refused)
        return None

    with ThreadPoolExecutor(threads) as pool:
        for done, (file, reason) in enumerate(zip(files, pool.map(refusal, files), strict=True), 1):
            if reason is not None:
                issues.append(Issue(f"images/{file.name}", "an image", reason))
            progress.update(done)
    if issues:
        message = f"{len(issues)} images cannot be read"
        raise StageError("DATA_INVALID", message, "Mend or remove these images, then run this again.", tuple(issues))
