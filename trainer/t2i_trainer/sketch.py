"""The denoiser with a sketch: a small network draws from the text alone what the picture will be on average, and the
UNet sees
that beside the noisy latents.

A UNet knows places only by the zeros around its convolutions, so drawing a shape from words is what it learns last. A
linear
map to latents has weights of its own for each place, and learns the same in minutes. Nothing else changes: same
inputs, same
output, same loss.
"""

import functools
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from .files import read_json

QUERIES = 8
HIDDEN = 768


class Sketch(nn.Module):
    """Text states [n, context, width] to latents [n, channels, side, side]: attention pooling with learnt queries,
    then three
    linear layers."""

    def __init__(self, width: int, channels: int, side: int):
        super().__init__()
        self.shape = (channels, side, side)
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(QUERIES, width) * width**-0.5)
        self.layers = nn.Sequential(
            nn.Linear(QUERIES * width, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.SiLU(),
            nn.Linear(HIDDEN, channels * side * side),
        )

    def forward(self, states: Tensor) -> Tensor:
        states = self.norm(states)
        weights = (states @ self.queries.T).softmax(dim=1)
        return self.layers((weights.transpose(1, 2) @ states).flatten(1)).unflatten(1, self.shape)


class SketchUNet(UNet2DConditionModel):
    """A UNet2DConditionModel whose first convolution also sees the sketch; `config` is that of the UNet without it."""

    # The same parameters as the base class: diffusers reads them from the signature when it loads a folder.
    @functools.wraps(UNet2DConditionModel.__init__)
    def __init__(self, *args: object, **options: object):
        super().__init__(*args, **options)
        config = self.config
        self.sketch = Sketch(config.cross_attention_dim, config.in_channels, config.sample_size)
        self.conv_in = nn.Conv2d(2 * config.in_channels, config.block_out_channels[0], 3, padding=1)

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **options: object):
        """As the base class; the sketch is stretched to the sample's size."""
        sketch = self.sketch(encoder_hidden_states)
        sketch = F.interpolate(sketch, size=sample.shape[-2:], mode="bilinear", align_corners=False)
        return super().forward(torch.cat([sample, sketch], dim=1), timestep, encoder_hidden_states, **options)


def unet_class(folder: Path) -> type[UNet2DConditionModel]:
    """The class that a folder's config.json names: with a sketch or, as everybody else writes it, without."""
    return SketchUNet if read_json(folder / "config.json").get("_class_name") == "SketchUNet" else UNet2DConditionModel
