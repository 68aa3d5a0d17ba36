"""The text states of every caption, computed once: in shards, or as a `.pt` file for each image."""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ..files import tensor_sha256
from ..params import Params
from ..stage import StageProgress, warn
from .layout import DataFolder, Sample
from .pt_files import write_pt_files
from .shards import ShardStore
from .text import FrozenTextEncoder
from .work import Place, Row, here

NULL_CAPTION = ""
MEASURED_ROWS = 256


@dataclasses.dataclass(frozen=True)
class EmbedOptions:
    """With what captions are encoded, and how their states are kept."""

    model: str = dataclasses.field(metadata={"help": "text encoder: a folder or a name on huggingface.co"})
    max_length: int = dataclasses.field(
        default=77, metadata={"help": "tokens of a caption, 3 to the encoder's positions"}
    )
    layout: Literal["shards", "pt"] = dataclasses.field(
        default="shards", metadata={"help": "shards, or pt for one file of torch.save for each image beside them"}
    )
    batch_size: int = dataclasses.field(default=64, metadata={"help": "captions encoded at once, 1 or more"})

    @classmethod
    def of(cls, params: Params) -> "EmbedOptions":
        """Those of the section `clip`."""
        clip = params.clip
        return cls(model=clip.model, max_length=clip.max_length, layout=clip.layout)


def embeddings_folder(project: Path) -> Path:
    return project / "data" / "prepared" / "embeddings"


def embed(options: EmbedOptions, project: Path, data: DataFolder, place: Place = here) -> dict[str, object]:
    """Computes the states of captions that have none yet, drops those of captions that are gone, and tells what it
    did. Raises StageError for a model or data that cannot be used."""
    samples = data.samples()
    encoder = FrozenTextEncoder(options.model, options.max_length, project)
    store = ShardStore(embeddings_folder(project))
    if damaged := store.damaged():
        warn(f"{len(damaged)} shards of {store.folder} are damaged or missing: computing their rows again")
        store.forget(damaged)
    captions = {encoder.key(caption): caption for caption in [NULL_CAPTION, *(sample.caption for sample in samples)]}
    missing = [key for key in captions if key not in store]
    store.about = {"encoder": options.model, "encoder_sha256": encoder.sha256, "max_length": options.max_length}
    work = EncodeCaptions(options, project, encoder)
    seconds = _compute(work, store, {key: captions[key] for key in missing}, place)
    dropped = store.compact(set(captions))
    null_key = encoder.key(NULL_CAPTION)
    store.about |= {"null_key": null_key, "null_sha256": tensor_sha256(store.read([null_key])["states"])}
    store.save_index()
    if options.layout == "pt":
        write_pt_files(store, {sample.stem: encoder.key(sample.caption) for sample in samples}, null_key)
    return {
        "captions": len(samples),
        "computed": len(missing),
        "cached": len(captions) - len(missing),
        "dropped": dropped,
        "too_long": _warn_too_long(encoder, samples),
        "encoder_sha256": encoder.sha256,
        "null_sha256": store.about["null_sha256"],
        "rows_per_second": {
            "encoded": len(missing) / seconds if missing else None,
            "read": _reading_rate(store, list(captions)[:MEASURED_ROWS]),
        },
    }


@dataclasses.dataclass(frozen=True)
class EncodeCaptions:
    """Work: captions to their states."""

    options: EmbedOptions
    project: Path
    encoder: FrozenTextEncoder

    def __call__(self, captions: Sequence[str]) -> list[Row]:
        return [{"states": states} for states in self.encoder.encode(captions)]

    def recipe(self) -> Callable[[], "EncodeCaptions"]:
        return functools.partial(opened, self.options, self.project, self.encoder.sha256)


def opened(options: EmbedOptions, project: Path, sha256: str) -> EncodeCaptions:
    """The work with the encoder of this hash. Raises StageError where this machine has another."""
    encoder = FrozenTextEncoder(options.model, options.max_length, project)
    encoder.files.require(sha256)
    return EncodeCaptions(options, project, encoder)


def _compute(work: EncodeCaptions, store: ShardStore, captions: dict[str, str], place: Place) -> float:
    """Encodes and stores captions by key; returns the seconds that encoding took."""
    progress = StageProgress("embeddings", len(captions), "captions")
    done, seconds, start = 0, 0.0, time.perf_counter()
    keys = {caption: key for key, caption in captions.items()}
    with store.filling() as add:
        for batch, rows in place(work, list(keys), work.options.batch_size):
            seconds += time.perf_counter() - start
            add({keys[caption]: row for caption, row in zip(batch, rows, strict=True)})
            done += len(batch)
            progress.update(done)
            start = time.perf_counter()
    return seconds


def _reading_rate(store: ShardStore, keys: list[str]) -> float:
    start = time.perf_counter()
    store.read(keys)
    return len(keys) / (time.perf_counter() - start)


def _warn_too_long(encoder: FrozenTextEncoder, samples: list[Sample]) -> int:
    cut = encoder.too_long([sample.caption for sample in samples])
    if any(cut):
        first = samples[cut.index(True)].stem
        warn(f"{sum(cut)} captions have more than {encoder.max_length} tokens and are cut, first captions/{first}.txt")
    return sum(cut)
