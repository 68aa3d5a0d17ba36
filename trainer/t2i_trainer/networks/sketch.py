"""What a caption's things look like, upright and alone, as further tokens for the denoiser.

A denoiser that has only words must learn from them what every thing looks like, wherever and however large it stands;
that is what it learns last. Here a small network says it beforehand: a grid of patches for each thing that the caption
names, learnt by regression in minutes (train_text.py). Cross-attention then has something to copy from, to any place
and in any size, so images of different seeds differ as much as the data's do.
"""

import torch
from torch import Tensor, nn

# Things that a caption may name; further ones are left to the words.
THINGS = 2
# Patches across a sketch.
GRID = 8
# Numbers that describe a patch (sprites.py).
FEATURES = 32


class Sketch(nn.Module):
    """Text states [n, context, width] to tokens [n, THINGS * GRID^2, width]: attention pooling with learnt queries for
    each thing, then three linear layers that all things share."""

    def __init__(self, width: int, hidden: int = 768, queries: int = 6):
        super().__init__()
        self.config = {"width": width, "hidden": hidden, "queries": queries}
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(THINGS * queries, width) * width**-0.5)
        self.layers = nn.Sequential(
            nn.Linear(queries * width, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, GRID**2 * FEATURES),
        )
        self.embed = nn.Linear(FEATURES, width)
        self.places = nn.Parameter(torch.randn(THINGS * GRID**2, width) * 0.5)

    def features(self, states: Tensor) -> Tensor:
        """What the patches show, [n, THINGS, GRID^2, FEATURES]."""
        normed = self.norm(states)
        weights = (normed @ self.queries.T).softmax(dim=1)
        pooled = (weights.transpose(1, 2) @ normed).unflatten(1, (THINGS, -1)).flatten(2)
        return self.layers(pooled).unflatten(2, (GRID**2, FEATURES))

    def forward(self, states: Tensor) -> Tensor:
        return self.embed(self.features(states).flatten(1, 2)) + self.places
