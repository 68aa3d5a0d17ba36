"""The latents of every image, computed once: mean and standard deviation, so that a step still samples its own."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import ImageOps
from torch import Tensor

from ..files import sha256_file
from ..params import Params
from ..stage import Issue, StageError, StageProgress, warn
from .autoencoder import FrozenAutoencoder, crop, to_pixels
from .images import ImageRefused, decode_rgb
from .layout import DataFolder
from .shards import ShardStore
from .work import Failure, Place, Row, here


@dataclasses.dataclass(frozen=True)
class LatentOptions:
    """With what images are encoded."""

    model: str = dataclasses.field(metadata={"help": "AutoencoderKL: a folder or a name on huggingface.co"})
    image_size: tuple[int, int] = dataclasses.field(
        metadata={"help": "height and width, pixels, in multiples of the autoencoder's factor"}
    )
    flip: bool = dataclasses.field(default=False, metadata={"help": "store the latent of each mirrored image too"})
    batch_size: int = dataclasses.field(default=8, metadata={"help": "images encoded at once, 1 or more"})
    num_workers: int = dataclasses.field(default=2, metadata={"help": "threads that decode images, 1 or more"})

    @classmethod
    def of(cls, params: Params) -> "LatentOptions":
        """Those of the sections `vae` and `data`."""
        vae, data = params.vae, params.data
        height, width = vae.image_size
        return cls(model=vae.model, image_size=(height, width), flip=data.flip, num_workers=max(1, data.num_workers))


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A latent to compute."""

    key: str
    image: Path
    flipped: bool

    def __str__(self) -> str:
        return str(self.image)


def latents_folder(project: Path) -> Path:
    return project / "data" / "prepared" / "latents"


def prepare_latents(options: LatentOptions, project: Path, data: DataFolder, place: Place = here) -> dict[str, object]:
    """Computes the latents of images that have none yet, drops those of images that are gone, and tells what it did.
    Raises StageError for an autoencoder or size that cannot be used before anything is computed, and for images that
    cannot be read once all others are done."""
    autoencoder = FrozenAutoencoder(options.model, options.image_size, project)
    images = data.require_images()
    store = ShardStore(latents_folder(project))
    if damaged := store.damaged():
        warn(f"{len(damaged)} shards of {store.folder} are damaged or missing: computing their rows again")
        store.forget(damaged)
    wanted: dict[str, Wanted] = {}
    for image in images:
        sha256 = sha256_file(image)
        for flipped in (False, True)[: 1 + options.flip]:
            key = autoencoder.key(sha256, flipped)
            wanted[key] = Wanted(key, image, flipped)
    missing = [latent for key, latent in wanted.items() if key not in store]
    store.about = {
        "autoencoder": options.model, "autoencoder_sha256": autoencoder.sha256,
        "image_size": list(options.image_size), "flip": options.flip,
    }  # fmt: skip
    failures = _compute(EncodeImages(options, project, autoencoder), store, missing, place)
    dropped = store.compact(set(wanted))
    store.save_index()
    if failures:
        issues = tuple(Issue(f"images/{path.name}", "an image", reason) for path, reason in failures.items())
        message = f"{len(issues)} images cannot be read; the latents of all others are kept"
        raise StageError("DATA_INVALID", message, "Mend or remove these images, then run this again.", issues)
    result = {"latents": len(wanted), "computed": len(missing), "cached": len(wanted) - len(missing)}
    return {**result, "dropped": dropped, "autoencoder_sha256": autoencoder.sha256}


def load_pixels(image: Path, size: tuple[int, int], flipped: bool = False) -> Tensor:
    """uint8 [3, h, w] of an image file, cropped around its centre to `size`. Raises ImageRefused."""
    fitted = crop(decode_rgb(image.read_bytes()), *size)
    return to_pixels(ImageOps.mirror(fitted) if flipped else fitted)


@dataclasses.dataclass(frozen=True)
class EncodeImages:
    """Work: images to their latents."""

    options: LatentOptions
    project: Path
    autoencoder: FrozenAutoencoder

    def __call__(self, batch: Sequence[Wanted]) -> list[Row | Failure]:
        with ThreadPoolExecutor(self.options.num_workers) as threads:
            read = list(threads.map(self._pixels, batch))
        rows = iter(_encode(self.autoencoder, [pixels for pixels in read if isinstance(pixels, Tensor)]))
        return [pixels if isinstance(pixels, Failure) else next(rows) for pixels in read]

    def _pixels(self, latent: Wanted) -> Tensor | Failure:
        try:
            return load_pixels(latent.image, self.options.image_size, latent.flipped)
        except ImageRefused as refusal:
            return Failure(str(refusal))

    def recipe(self) -> Callable[[], "EncodeImages"]:
        return functools.partial(opened, self.options, self.project, self.autoencoder.sha256)


def opened(options: LatentOptions, project: Path, sha256: str) -> EncodeImages:
    """The work with the autoencoder of this hash. Raises StageError where this machine has another."""
    autoencoder = FrozenAutoencoder(options.model, options.image_size, project)
    autoencoder.files.require(sha256)
    return EncodeImages(options, project, autoencoder)


def _compute(work: EncodeImages, store: ShardStore, missing: list[Wanted], place: Place) -> dict[Path, str]:
    """Encodes and stores; returns why images could not be read, by file."""
    failures: dict[Path, str] = {}
    progress = StageProgress("latents", len(missing), "images")
    done = 0
    with store.filling() as add:
        for batch, outcomes in place(work, missing, work.options.batch_size):
            made = list(zip(batch, outcomes, strict=True))
            failures |= {latent.image: row.reason for latent, row in made if isinstance(row, Failure)}
            add({latent.key: row for latent, row in made if isinstance(row, dict)})
            done += len(batch)
            progress.update(done)
    return failures


def _encode(autoencoder: FrozenAutoencoder, pixels: list[Tensor]) -> list[Row]:
    if not pixels:
        return []
    mean, std = (values.half() for values in autoencoder.encode(torch.stack(pixels)))
    if not (mean.isfinite().all() and std.isfinite().all()):
        raise autoencoder.files.invalid("latents within the range of float16", "infinite ones, or NaN")
    return [{"mean": mean[i], "std": std[i]} for i in range(len(pixels))]
