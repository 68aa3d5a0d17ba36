"""Work in batches that shrink where memory is short."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from ..stage import warn

T = TypeVar("T")
R = TypeVar("R")


def in_batches(
    items: Sequence[T], size: int, work: Callable[[Sequence[T]], R], tell: Callable[[str], None] = warn
) -> Iterator[tuple[Sequence[T], R]]:
    """Each batch of at most `size` items with what `work` makes of it. A batch that does not fit into the GPU's memory
    is tried again with half as many items, as are those after it, which `tell` is told; OutOfMemoryError where one
    item does not fit."""
    start = 0
    while start < len(items):
        batch = items[start : start + size]
        try:
            result = work(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            size = len(batch) // 2
        else:
            yield batch, result
            start += len(batch)
            continue
        # Only now, with the error gone, is what its frames held free.
        torch.cuda.empty_cache()
        tell(f"out of memory with {len(batch)} at once: going on with {size}")
