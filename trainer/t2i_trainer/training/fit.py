"""The loop of every training: a step at a time, each with what was prepared for it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, SupportsFloat, TypeVar

T = TypeVar("T")
Figures = Mapping[str, SupportsFloat]


class Watcher(Protocol):
    """Whoever is told how far a training is."""

    def update(self, done: int, **figures: SupportsFloat) -> None:
        """`done` samples are done; a figure may be a tensor, which need not be read."""
        ...


def fit(
    learn: Callable[[int, T], Figures],
    batches: Iterable[T],
    first: int,
    batch: int,
    progress: Watcher,
    after: Callable[[int], bool] = lambda done: False,
) -> None:
    """Learns from each of `batches`, which begin with that of the step `first` and have `batch` samples each, until
    they end or `after`, which is told how many steps are done, says that it is over."""
    for step, prepared in enumerate(batches, first):
        figures = learn(step, prepared)
        progress.update((step + 1) * batch, **figures)
        if after(step + 1):
            return
