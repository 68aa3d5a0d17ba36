"""How much images of one caption differ from each other, beside how much real ones do."""

from collections import defaultdict
from itertools import combinations
from random import Random

import numpy as np


def captions_with_several(samples: list[dict], captions: int, each: int, seed: int = 0) -> dict[str, list[int]]:
    """Captions that occur `each` times or more in a data set, at most so many, with the indices of their samples."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        found[sample["caption"]].append(index)
    frequent = sorted(caption for caption, indices in found.items() if len(indices) >= each)
    chosen = Random(seed).sample(frequent, min(captions, len(frequent)))
    return {caption: found[caption][:each] for caption in chosen}


def mean_distance(groups: list[np.ndarray]) -> float:
    """Root mean square difference of two members of a group, the mean over all pairs of all groups. A group is
    [n, ...] of any numbers."""
    distances = [
        float(np.sqrt(np.square(first - second).mean()))
        for group in groups
        for first, second in combinations(group.astype(np.float64), 2)
    ]
    return float(np.mean(distances))
