"""Text states as one file of `torch.save` for each image: `pt/<stem>.pt`, and `null.pt` for the empty caption."""

import pickle
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..files import write_atomically
from ..stage import Issue, StageError
from .shards import ShardStore


def pt_file(folder: Path, stem: str) -> Path:
    return folder / "pt" / f"{stem}.pt"


def null_file(folder: Path) -> Path:
    return folder / "null.pt"


def write_pt_files(store: ShardStore, keys: dict[str, str], null_key: str) -> None:
    """Writes the states of each stem, float16 [tokens, width], beside the shards they come from; files of stems that
    are gone go too."""
    files = {pt_file(store.folder, stem): key for stem, key in keys.items()} | {null_file(store.folder): null_key}
    for path, key in files.items():
        states = store.read([key])["states"][0]
        if not _holds(path, states):
            write_atomically(path, partial(torch.save, states))
    for path in (store.folder / "pt").glob("*.pt"):
        if path not in files:
            path.unlink()


def _holds(path: Path, states: Tensor) -> bool:
    try:
        return path.is_file() and torch.equal(read_pt(path), states)
    except StageError:
        return False


def read_pt(path: Path) -> Tensor:
    """A tensor [tokens, width], also from a file that has it as [1, tokens, width]. Never unpickles code. Raises
    StageError for a file that holds anything else."""
    try:
        states = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError) as error:
        raise _invalid(path, str(error).split("\n")[0]) from error
    if not isinstance(states, Tensor):
        raise _invalid(path, type(states).__name__)
    if states.ndim == 3 and len(states) == 1:
        states = states[0]
    if states.ndim != 2:
        raise _invalid(path, f"one {list(states.shape)}")
    return states


def _invalid(path: Path, received: str) -> StageError:
    return StageError(
        "DATA_INVALID",
        f"{path} holds no embedding",
        "Remove it and run the stage embed.",
        (Issue(str(path), "a tensor [tokens, width]", received),),
    )
