"""The networks of the default model's first edition: a denoiser that saw a sketch of the whole image as further input
channels, and an autoencoder without linear maps.

Kept so that the weights that ship can be read back into PyTorch (onnx_import.py); nothing trains them any more.
"""

import functools

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from .autoencoder import ResidualBlock

QUERIES = 8
HIDDEN = 768


class MeanSketch(nn.Module):
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
        self.sketch = MeanSketch(config.cross_attention_dim, config.in_channels, config.sample_size)
        self.conv_in = nn.Conv2d(2 * config.in_channels, config.block_out_channels[0], 3, padding=1)

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **options: object):
        """As the base class; the sketch is stretched to the sample's size."""
        sketch = self.sketch(encoder_hidden_states)
        sketch = F.interpolate(sketch, size=sample.shape[-2:], mode="bilinear", align_corners=False)
        return super().forward(torch.cat([sample, sketch], dim=1), timestep, encoder_hidden_states, **options)


class FirstAutoencoder(nn.Module):
    """Its decoder; the encoder was never exported."""

    def __init__(self, latent_channels: int, channels: tuple[int, int], blocks: int, scaling_factor: float):
        super().__init__()
        self.config = {"scaling_factor": scaling_factor}
        outer, inner = channels
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, inner, 3, padding=1), *(ResidualBlock(inner) for _ in range(blocks)),
            nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(inner, outer, 3, padding=1),
            *(ResidualBlock(outer) for _ in range(blocks)),
            nn.GroupNorm(8, outer), nn.SiLU(), nn.Conv2d(outer, 48, 3, padding=1), nn.PixelShuffle(4),
        )  # fmt: skip

    def decode(self, latents: Tensor) -> Tensor:
        return self.decoder(latents)
