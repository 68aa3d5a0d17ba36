"""A model directory as the SDK reads it: written beside its place, gated, and put there as a whole or not at all."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import read_json, sha256_file, write_json
from .components import Component, export_component
from .export import OPSET

MANIFEST = "t2i.json"


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `out` where the block ends well; else `out` is as it was."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        publish(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_parts(parts: Iterable[Component], source: Path, target: Path, opset: int = OPSET) -> dict:
    """Everything of a model directory but its manifest; returns what the gate measured of each graph, by its path."""
    parity: dict[str, Any] = {}
    names: list[str] = []
    for part in parts:
        parity |= export_component(part, source, target, opset)
        names.append(part.target)
    shutil.copytree(source / "tokenizer", target / "tokenizer")
    (target / "scheduler").mkdir()
    shutil.copy(source / "scheduler" / "scheduler_config.json", target / "scheduler")
    write_json(target / "model_index.json", model_index(source, names))
    return parity


def model_index(source: Path, graphs: list[str]) -> dict:
    """What diffusers' ONNX pipelines read first."""
    scheduler = read_json(source / "scheduler" / "scheduler_config.json")["_class_name"]
    return {
        "_class_name": "OnnxStableDiffusionPipeline",
        "scheduler": ["diffusers", scheduler],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        **{graph: ["diffusers", "OnnxRuntimeModel"] for graph in graphs},
    }


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 in hex by path in `folder`, in the order of the paths."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path: sha256_file(folder / path) for path in paths}


def publish(folder: Path, out: Path) -> None:
    """Renames `folder`, synced, to `out`; what lay there is removed once the new one stands in its place."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as handle:
                os.fsync(handle.fileno())
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        out.rename(old)
    folder.rename(out)
    shutil.rmtree(old, ignore_errors=True)
