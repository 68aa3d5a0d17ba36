"""Captions whose images can be compared with each other."""

from collections import defaultdict
from random import Random


def captions_with_several(samples: list[dict], captions: int, each: int, seed: int = 0) -> dict[str, list[int]]:
    """Captions that occur `each` times or more in a data set, at most so many, with the indices of their samples."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        found[sample["caption"]].append(index)
    frequent = sorted(caption for caption, indices in found.items() if len(indices) >= each)
    chosen = Random(seed).sample(frequent, min(captions, len(frequent)))
    return {caption: found[caption][:each] for caption in chosen}
