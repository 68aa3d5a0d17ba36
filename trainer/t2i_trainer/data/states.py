"""Text states as training reads them: from shards, or from a file for each image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..files import tensor_sha256
from ..stage import Issue, StageError
from .embeddings import NULL_CAPTION, embeddings_folder
from .layout import Sample
from .pt_files import null_file, pt_file, read_pt
from .shards import ShardStore
from .stale import few, stale, whole
from .text import FrozenTextEncoder


class States(Protocol):
    """Text states by index."""

    null: Tensor

    def load(self, indices: Sequence[int]) -> Tensor:
        """float32 [n, tokens, width]."""


class StoredStates:
    """Text states in shards."""

    def __init__(self, store: ShardStore, keys: Sequence[str], null_key: str):
        """Raises StageError where the state of the empty caption is not the one that was first computed."""
        self.store, self.keys = store, keys
        null = store.read([null_key])["states"]
        if tensor_sha256(null) != store.about["null_sha256"]:
            raise stale("clip.model", "the state of the empty caption", "another one")
        self.null = null[0].float()

    def load(self, indices: Sequence[int]) -> Tensor:
        return self.store.read([self.keys[index] for index in indices])["states"].float()


class PtStates:
    """Text states in a file for each image. Nothing says which caption they were computed from."""

    def __init__(self, folder: Path, stems: Sequence[str]):
        """Reads every file once. Raises StageError that names those that are missing, damaged or of another shape than
        that of the empty caption."""
        self.folder, self.stems = folder, stems
        self.null = read_pt(null_file(folder)).float()
        issues: list[Issue] = []
        for path in (pt_file(folder, stem) for stem in stems):
            try:
                shape = read_pt(path).shape
            except StageError as error:
                issues += error.issues
                continue
            if shape != self.null.shape:
                issues.append(Issue(str(path), f"a tensor {list(self.null.shape)}", f"one {list(shape)}"))
        if issues:
            message = f"{len(issues)} embeddings of {folder / 'pt'} cannot be used"
            raise StageError("DATA_INVALID", message, "Run it again: t2i data embed", tuple(issues))

    def load(self, indices: Sequence[int]) -> Tensor:
        return torch.stack([read_pt(pt_file(self.folder, self.stems[index])).float() for index in indices])


def open_states(project: Path, encoder: FrozenTextEncoder, chosen: list[Sample]) -> States:
    """The states of these samples. Raises StageError where any is missing, stale or damaged."""
    folder = embeddings_folder(project)
    if not (folder / "index.json").is_file() and (folder / "pt").is_dir():
        return PtStates(folder, [sample.stem for sample in chosen])
    store = whole(ShardStore(folder), "embed")
    keys = [encoder.key(sample.caption) for sample in chosen]
    null_key = encoder.key(NULL_CAPTION)
    missing = [sample.stem for sample, key in zip(chosen, keys, strict=True) if key not in store]
    if null_key not in store:
        missing.append("the empty caption")
    if missing:
        raise stale("clip.model", f"embeddings of {len(chosen)} captions", f"none for {few(missing)}")
    return StoredStates(store, keys, null_key)
