"""Everything that is wrong with the data of a project, at once."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from ..files import sha256_file
from ..stage import Issue, StageError, StageProgress
from .autoencoder import FrozenAutoencoder
from .embeddings import NULL_CAPTION, embeddings_folder
from .images import ImageRefused, decode_rgb
from .latents import latents_folder
from .layout import DataFolder
from .samples import SampleOptions
from .shards import ShardStore
from .split import split
from .text import FrozenTextEncoder


@dataclasses.dataclass
class Check:
    """What was found. Training refuses data with errors; warnings are likely mistakes."""

    images: int = 0
    captions: int = 0
    errors: list[Issue] = dataclasses.field(default_factory=list)
    warnings: list[Issue] = dataclasses.field(default_factory=list)
    embeddings: dict[str, int] | None = None
    """Rows that are there, missing, and of captions that are gone; damaged shards. None where the encoder is wrong."""
    latents: dict[str, int] | None = None
    """The same of images."""

    def error(self, option: str, expected: str, received: str) -> None:
        self.errors.append(Issue(option, expected, received))

    def warning(self, option: str, expected: str, received: str) -> None:
        self.warnings.append(Issue(option, expected, received))


def check_data(options: SampleOptions, project: Path, data: DataFolder) -> dict[str, object]:
    """The fields of `Check`, and `ok` where there are no errors. Changes nothing."""
    check = Check()
    captions = _check_captions(check, data)
    hashes = _check_images(check, data, options.latents.image_size)
    _collect(check, lambda: split(list(captions), options.train_size, options.val_size))
    _collect(check, lambda: _check_embeddings(check, options, project, captions))
    if options.precompute_latents:
        _collect(check, lambda: _check_latents(check, options, project, hashes))
    return {"ok": not check.errors, **dataclasses.asdict(check)}


def _collect(check: Check, part: Callable[[], object]) -> None:
    """What a part raises is told beside what the others find."""
    try:
        part()
    except StageError as error:
        check.errors += error.issues


def _check_captions(check: Check, data: DataFolder) -> dict[str, str]:
    """Captions by the stem of their image, those alone that can be used."""
    stems: dict[str, Path] = {}
    captions = {}
    for image in data.image_files():
        first = stems.setdefault(image.stem.casefold(), image)
        if first is not image:
            check.error(f"images/{image.name}", "a name of its own, whatever its case", f"that of {first.name}")
        try:
            caption = data.caption(image.stem)
        except StageError as error:
            check.errors += error.issues
            continue
        if caption:
            captions[image.stem] = caption
        else:
            check.error(f"images/{image.name}", f"a caption in captions/{image.stem}.txt", "none")
    for path in data.caption_files():
        if path.stem.casefold() not in stems:
            check.warning(f"captions/{path.name}", "an image of this name", "none")
    check.images, check.captions = len(data.image_files()), len(captions)
    if not stems:
        check.error("data.raw", "a folder with images/ and captions/", f"no images in {data.images}")
    return captions


def _check_images(check: Check, data: DataFolder, size: tuple[int, int]) -> dict[Path, str]:
    """SHA-256 of each file that is an image."""
    files = data.image_files()
    progress = StageProgress("check", len(files), "images")
    hashes: dict[Path, str] = {}
    contents: dict[str, Path] = {}
    for done, path in enumerate(files, 1):
        name = f"images/{path.name}"
        progress.update(done)
        try:
            image = decode_rgb(path.read_bytes())
        except (ImageRefused, OSError) as refusal:
            check.error(name, "an image", str(refusal))
            continue
        hashes[path] = sha256_file(path)
        if image.height < size[0] or image.width < size[1]:
            expected = f"at least {size[0]}x{size[1]} pixels, height and width of vae.image_size"
            check.warning(name, expected, f"{image.height}x{image.width}, to be enlarged")
        first = contents.setdefault(_content(image), path)
        if first is not path:
            check.warning(name, "an image of its own", f"the pixels of {first.name}")
    return hashes


def _content(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def _check_embeddings(check: Check, options: SampleOptions, project: Path, captions: dict[str, str]) -> None:
    encoder = FrozenTextEncoder(options.text.model, options.text.max_length, project)
    for stem, long in zip(captions, encoder.too_long(list(captions.values())), strict=True):
        if long:
            check.warning(f"captions/{stem}.txt", f"at most {encoder.max_length} tokens", "more: the rest is cut off")
    wanted = {encoder.key(caption) for caption in [NULL_CAPTION, *captions.values()]}
    check.embeddings = _check_store(check, ShardStore(embeddings_folder(project)), wanted, "embed")


def _check_latents(check: Check, options: SampleOptions, project: Path, hashes: dict[Path, str]) -> None:
    autoencoder = FrozenAutoencoder(options.latents.model, options.latents.image_size, project)
    mirrored = (False, True)[: 1 + options.latents.flip]
    wanted = {autoencoder.key(sha256, flipped) for sha256 in hashes.values() for flipped in mirrored}
    check.latents = _check_store(check, ShardStore(latents_folder(project)), wanted, "latents")


def _check_store(check: Check, store: ShardStore, wanted: set[str], stage: str) -> dict[str, int]:
    damaged = store.damaged()
    lost = {key for key, (shard, _) in store.rows.items() if shard in damaged}
    missing = {key for key in wanted if key not in store} | (lost & wanted)
    unused = store.rows.keys() - wanted
    if missing:
        check.error(
            str(store.folder), f"{len(wanted)} rows", f"{len(missing)} missing or damaged: run the stage {stage}"
        )
    if unused:
        check.warning(str(store.folder), "rows in use", f"{len(unused)} stale: the stage {stage} drops them")
    return {"rows": len(wanted) - len(missing), "missing": len(missing), "stale": len(unused), "damaged": len(damaged)}
