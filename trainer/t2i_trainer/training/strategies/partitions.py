"""Flat partitions of weights for another number of ranks than they were written by.

A partition is the chunks of its pieces, one after another. A piece is the whole group of weights (ZeRO-1 and 2) or one
weight (ZeRO-3), filled up with zeros and cut into chunks of equal length, one a rank.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.nn.functional import pad


def chunk_lengths(sizes: Sequence[int], length: int, world: int) -> list[int]:
    """Elements of a rank's chunk of each piece, where a partition has `length`. DeepSpeed fills a whole group up to
    more than the ranks need, so that its chunk is all of the partition."""
    return [length] if len(sizes) == 1 else [-(-size // world) for size in sizes]


def whole_pieces(ranks: Sequence[Sequence[Tensor]], sizes: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """The pieces of all partitions in order, flat, of the partitions that each rank wrote; `sizes` has the elements of
    each partition's pieces."""
    for flats, own in zip(zip(*ranks, strict=True), sizes, strict=True):
        lengths = chunk_lengths(own, flats[0].numel(), len(flats))
        for chunks, size in zip(zip(*(flat.split(lengths) for flat in flats), strict=True), own, strict=True):
            yield torch.cat(chunks)[:size]


def cut(
    pieces: Iterable[Tensor], sizes: Sequence[Sequence[int]], lengths: Sequence[int], rank: int, world: int
) -> Iterator[Tensor]:
    """The partitions of a rank, of these lengths, from the pieces of `whole_pieces`; yields them one by one."""
    rest = iter(pieces)
    for own, length in zip(sizes, lengths, strict=True):
        chunks = [
            pad(piece, (0, world * chunk - piece.numel()))[rank * chunk : (rank + 1) * chunk]
            for piece, chunk in zip(islice(rest, len(own)), chunk_lengths(own, length, world), strict=True)
        ]
        yield torch.cat(chunks)
