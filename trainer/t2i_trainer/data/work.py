"""What a model makes of many items, a batch at a time, and where that is done: in this process, or on a cluster."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from torch import Tensor

from .batches import in_batches

# The tensors of one item by name, such as {"mean": ..., "std": ...}.
Row = dict[str, Tensor]
T = TypeVar("T")
R = TypeVar("R", bound="Outcome")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", bound="Outcome", covariant=True)


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a model makes nothing of an item."""

    reason: str


Outcome = Row | str | Failure


class Work(Protocol[T_contra, R_co]):
    """A model that turns items into tensors or text."""

    def __call__(self, items: Sequence[T_contra], /) -> Sequence[R_co]:
        """What is made of each item, in this order."""

    def recipe(self) -> Callable[[], "Work[T_contra, R_co]"]:
        """Makes this work in another process, perhaps on another machine, with that machine's files of the model: what
        is pickled names them. Raises StageError there, where they are missing or others than here."""


class Place(Protocol):
    """Where work is done."""

    def __call__(self, work: Work[T, R], items: Sequence[T], size: int, /) -> Iterator[tuple[Sequence[T], Sequence[R]]]:
        """Batches of at most `size` items with what is made of them, in the order of the items, each item once."""


def here(work: Work[T, R], items: Sequence[T], size: int) -> Iterator[tuple[Sequence[T], Sequence[R]]]:
    """The place that is this process."""
    return in_batches(items, size, work)
