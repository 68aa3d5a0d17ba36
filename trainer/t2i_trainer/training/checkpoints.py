"""Checkpoints of a training run: the last two are kept, and one that is damaged is passed over."""

import sys
from pathlib import Path

import torch

from ..files import sha256_file, write_atomically

KEPT = 2


def save_checkpoint(folder: Path, step: int, **state: object) -> None:
    """Writes tensors and plain values as `checkpoint-<step>-<hash>.pt`, and removes all but the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "checkpoint.tmp"
    write_atomically(written, lambda temporary: torch.save({**state, "step": step}, temporary))
    written.rename(folder / f"checkpoint-{step:08d}-{sha256_file(written)[:16]}.pt")
    for old in find_checkpoints(folder)[KEPT:]:
        old.unlink()


def load_checkpoint(folder: Path, device: str = "cpu") -> dict | None:
    """The newest state in `folder` whose hash is the one in its name, or None. Never unpickles code."""
    for path in find_checkpoints(folder):
        if sha256_file(path)[:16] == path.stem.split("-")[2]:
            return torch.load(path, map_location=device, weights_only=True)
        print(f"{path}: damaged (its hash is not the one in its name); trying the one before", file=sys.stderr)
    return None


def find_checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("checkpoint-*-*.pt"), reverse=True)
