"""Which images train and which validate, by a hash of their names."""

import hashlib
from collections.abc import Sequence

from ..stage import Issue, StageError


def split(stems: Sequence[str], train_size: int, val_size: int) -> tuple[list[str], list[str]]:
    """Stems to train on and to validate with, each ordered by the hash of the stem: validation takes the lowest
    hashes, training the highest. So an image that is added never moves another from one part to the other, whatever
    else it leaves unused. Raises StageError where there are fewer images than both parts take."""
    if train_size < 1 or val_size < 0 or train_size + val_size > len(stems):
        raise StageError(
            "OPTION_INVALID",
            f"the data cannot be split into {train_size} images for training and {val_size} for validation",
            f"Set data.train_size and data.val_size to a sum of at most {len(stems)}.",
            (
                Issue(
                    "data.train_size",
                    f"at most {len(stems)} with data.val_size, the images with captions",
                    f"{train_size} + {val_size}",
                ),
            ),
        )
    ordered = sorted(stems, key=lambda stem: hashlib.sha256(stem.encode()).digest())
    return ordered[len(ordered) - train_size :], ordered[:val_size]
