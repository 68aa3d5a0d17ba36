"""How much images of one caption differ from each other."""

from itertools import combinations

import numpy as np


def mean_distance(groups: list[np.ndarray]) -> float:
    """Root mean square difference of two members of a group, the mean over all pairs of all groups. A group is
    [n, ...] of any numbers."""
    distances = [
        float(np.sqrt(np.square(first - second).mean()))
        for group in groups
        for first, second in combinations(group.astype(np.float64), 2)
    ]
    return float(np.mean(distances))
