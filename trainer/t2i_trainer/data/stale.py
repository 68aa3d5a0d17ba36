"""What training refuses to read: rows that are missing, damaged, or of another caption, image or model."""

from ..stage import Issue, StageError
from .shards import ShardStore


def whole(store: ShardStore, stage: str) -> ShardStore:
    """The store. Raises StageError where a shard is damaged."""
    if damaged := store.damaged():
        raise stale(str(store.folder), "shards as they were written", f"{few(damaged)} damaged", stage)
    return store


def few(names: list[str]) -> str:
    """The first of some names, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} others"


def stale(option: str, expected: str, received: str, stage: str = "embed") -> StageError:
    """What `stage` has to compute again."""
    message = f"what training reads is missing, stale or damaged: {received}"
    return StageError("DATA_INVALID", message, f"Run it again: t2i data {stage}", (Issue(option, expected, received),))
