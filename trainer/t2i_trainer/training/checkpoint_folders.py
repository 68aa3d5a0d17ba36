"""Checkpoints as folders, complete or invisible: `checkpoints/step-N/` with the hash of each file in its manifest.

A folder is filled under a temporary name, its files synced, its manifest written last, and then renamed. The last two
are kept. `latest` names the newest, for people; what is resumed is the newest that is whole.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..files import read_json, sha256_file, write_atomically, write_json
from ..stage import warn

KEPT = 2
MANIFEST = "manifest.json"


def filling(parent: Path, step: int) -> Path:
    """The folder in which the checkpoint of `step` is put together."""
    return parent / f".step-{step:08d}.tmp"


def start(parent: Path, step: int) -> None:
    """Makes that folder, empty; what killed runs left of others is removed."""
    for left in parent.glob(".step-*.tmp"):
        shutil.rmtree(left)
    filling(parent, step).mkdir(parents=True)


def finish(parent: Path, step: int, facts: dict[str, Any]) -> Path:
    """Makes the checkpoint visible, `facts` in its manifest, and removes the older ones. Returns its folder."""
    temporary, folder = filling(parent, step), parent / f"step-{step:08d}"
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    for path in files:
        _sync(path)
    hashes = {str(path.relative_to(temporary)): sha256_file(path) for path in files}
    write_json(temporary / MANIFEST, {**facts, "step": step, "files": hashes})
    _sync(temporary)
    if folder.exists():
        # Left by a run that went on from an older one because this one is damaged.
        shutil.rmtree(folder)
    temporary.rename(folder)
    _sync(parent)
    write_atomically(parent / "latest", lambda path: path.write_text(folder.name + "\n"))
    earlier = [path for path in find(parent) if path.name <= folder.name]
    for path in find(parent):
        if path not in earlier[:KEPT]:
            shutil.rmtree(path)
    return folder


def find(parent: Path) -> list[Path]:
    """Newest first."""
    return sorted(parent.glob("step-*"), reverse=True)


def newest(parent: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint whose files have the hashes of its manifest, with that manifest; warns of each that is
    passed over."""
    for folder in find(parent):
        damage = next(_damage(folder), None)
        if damage is None:
            return folder, read_json(folder / MANIFEST)
        warn(f"{folder}: damaged ({damage}); trying the one before")
    return None


def _damage(folder: Path) -> Iterator[str]:
    try:
        files = read_json(folder / MANIFEST)["files"].items()
    except (OSError, ValueError, KeyError):
        yield f"{MANIFEST} cannot be read"
        return
    for name, expected in files:
        if not (folder / name).is_file():
            yield f"{name} is missing"
        elif sha256_file(folder / name) != expected:
            yield f"{name} does not have the hash of its manifest"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
