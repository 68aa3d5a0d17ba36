"""Rows of float16 tensors by key, in shards of safetensors with an index: what is computed once and read often.

`index.json` holds `about` (what the rows were computed with), `shards` (the SHA-256 of each by its name) and `rows`
(shard and row of each key). A shard counts once the index names it, so whatever interrupts a run leaves a whole store
behind.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..files import read_json, sha256_file, write_atomically, write_json
from .work import Row

ROWS_PER_SHARD = 512
VERSION = 1


class ShardStore:
    """The rows of a folder."""

    def __init__(self, folder: Path):
        """Reads the index; without one, or with one that is damaged, there are no rows yet."""
        self.folder = folder
        self.about: dict[str, object] = {}
        self.shards: dict[str, str] = {}
        self.rows: dict[str, tuple[str, int]] = {}
        try:
            index = read_json(folder / "index.json")
        except (FileNotFoundError, ValueError):
            return
        if isinstance(index, dict) and index.get("version") == VERSION:
            self.about, self.shards = index["about"], index["shards"]
            self.rows = {key: (shard, row) for key, (shard, row) in index["rows"].items()}

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def read(self, keys: Iterable[str]) -> dict[str, Tensor]:
        """Tensors [n, ...] by name, float16, a row for each key in this order. Raises KeyError for an unknown key."""
        places = [self.rows[key] for key in keys]
        by_shard: dict[str, list[int]] = defaultdict(list)
        for position, (shard, _) in enumerate(places):
            by_shard[shard].append(position)
        found: dict[str, list[Tensor]] = defaultdict(lambda: [torch.empty(0)] * len(places))
        for shard, positions in by_shard.items():
            with safe_open(self.folder / shard, "pt") as file:
                for name in file.keys():  # noqa: SIM118
                    rows = file.get_slice(name)
                    for position in positions:
                        found[name][position] = rows[places[position][1]]
        return {name: torch.stack(rows) for name, rows in found.items()}

    def append(self, rows: dict[str, Row]) -> None:
        """Writes a shard with these rows, in place of earlier ones with the same keys."""
        if not rows:
            return
        number = 1 + max((int(name[6:14]) for name in self.shards), default=-1)
        name = f"shard-{number:08}.safetensors"
        path = self.folder / name
        values = list(rows.values())
        tensors = {part: torch.stack([row[part] for row in values]).half().contiguous() for part in values[0]}
        write_atomically(path, lambda temporary: save_file(tensors, temporary))
        self.shards[name] = sha256_file(path)
        self.rows.update({key: (name, row) for row, key in enumerate(rows)})
        self.save_index()

    @contextlib.contextmanager
    def filling(self) -> Iterator[Callable[[dict[str, Row]], None]]:
        """Takes rows and writes them whenever they fill a shard; what is left, when the block ends, however it does."""
        waiting: dict[str, Row] = {}

        def add(rows: dict[str, Row]) -> None:
            waiting.update(rows)
            while len(waiting) >= ROWS_PER_SHARD:
                self.append({key: waiting.pop(key) for key in list(waiting)[:ROWS_PER_SHARD]})

        try:
            yield add
        finally:
            self.append(waiting)

    def damaged(self) -> list[str]:
        """Shards that are missing, or whose hash is not the one of the index."""
        return [
            name
            for name, sha256 in self.shards.items()
            if not (self.folder / name).is_file() or sha256_file(self.folder / name) != sha256
        ]

    def forget(self, shards: Iterable[str]) -> None:
        """Drops shards with their rows."""
        gone = set(shards)
        self.shards = {name: sha256 for name, sha256 in self.shards.items() if name not in gone}
        self.rows = {key: place for key, place in self.rows.items() if place[0] not in gone}
        self.save_index()
        for name in gone:
            (self.folder / name).unlink(missing_ok=True)

    def compact(self, wanted: set[str]) -> int:
        """Drops the rows whose key is not wanted, and joins small shards; returns how many rows went. Shards that are
        full of wanted rows stay as they are."""
        kept: dict[str, list[str]] = {name: [] for name in self.shards}
        for key, (shard, _) in self.rows.items():
            if key in wanted:
                kept[shard].append(key)
        stale = sum(key not in wanted for key in self.rows)
        loose = [name for name, keys in kept.items() if len(keys) != ROWS_PER_SHARD]
        if not stale and len(loose) < 2:
            return 0
        keys = [key for name in loose for key in kept[name]]
        for start in range(0, len(keys), ROWS_PER_SHARD):
            part = keys[start : start + ROWS_PER_SHARD]
            tensors = self.read(part)
            self.append({key: {name: rows[i] for name, rows in tensors.items()} for i, key in enumerate(part)})
        self.forget(loose)
        return stale

    def save_index(self) -> None:
        rows = {key: list(place) for key, place in self.rows.items()}
        index = {"version": VERSION, "about": self.about, "shards": self.shards, "rows": rows}
        write_json(self.folder / "index.json", index)
