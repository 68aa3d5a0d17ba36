"""A small autoencoder: a linear map of 8x8 patches, and beside it convolutions that learn what the linear map misses.

Ten times cheaper to decode than Stable Diffusion's at 128 px, and enough for smooth drawings.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import read_json, write_json
from .weights import load_whole, save_weights

PATCH = 8


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), channels kept."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, channels)
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class TinyAutoencoder(nn.Module):
    """`encode`: images [n, 3, 8h, 8w] in -1..1 to latents [n, latent_channels, h, w]; `decode` the way back.

    Both are a linear map of 8x8 patches plus convolutions (pixel-unshuffle by 4, two levels of residual blocks) whose
    last layer starts at 0. `start_from_patches` makes the linear maps the principal components of the data's patches,
    which is most of what an autoencoder can learn, at no cost.

    Latents are raw; a denoiser sees them times `scaling_factor`, which `train_vae.py` sets so that their standard
    deviation is 1.
    """

    def __init__(
        self,
        latent_channels: int = 12,
        channels: tuple[int, int] = (64, 160),
        blocks: tuple[int, int] = (1, 2),  # residual blocks a level of the encoder, of the decoder
        scaling_factor: float = 1.0,
    ):
        super().__init__()
        self.config: dict[str, Any] = {
            "_class_name": "TinyAutoencoder", "latent_channels": latent_channels, "channels": list(channels),
            "blocks": list(blocks),
            "spatial_compression_ratio": PATCH, "scaling_factor": scaling_factor,
        }  # fmt: skip
        outer, inner = channels
        self.analysis = nn.Sequential(nn.PixelUnshuffle(PATCH), nn.Conv2d(3 * PATCH**2, latent_channels, 1))
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, outer, 3, padding=1), *(ResidualBlock(outer) for _ in range(blocks[0])),
            nn.Conv2d(outer, inner, 3, stride=2, padding=1), *(ResidualBlock(inner) for _ in range(blocks[0])),
            nn.GroupNorm(8, inner), nn.SiLU(), nn.Conv2d(inner, latent_channels, 3, padding=1),
        )  # fmt: skip
        self.synthesis = nn.Sequential(nn.Conv2d(latent_channels, 3 * PATCH**2, 1), nn.PixelShuffle(PATCH))
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, inner, 3, padding=1), *(ResidualBlock(inner) for _ in range(blocks[1])),
            nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(inner, outer, 3, padding=1),
            *(ResidualBlock(outer) for _ in range(blocks[1])),
            nn.GroupNorm(8, outer), nn.SiLU(), nn.Conv2d(outer, 48, 3, padding=1), nn.PixelShuffle(4),
        )  # fmt: skip
        for last in (self.encoder[-1], self.decoder[-2]):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def encode(self, images: Tensor) -> Tensor:
        return self.analysis(images) + self.encoder(images)

    def decode(self, latents: Tensor) -> Tensor:
        return self.synthesis(latents) + self.decoder(latents)

    @torch.no_grad()
    def start_from_patches(self, images: Tensor) -> None:
        """Sets the linear maps from the principal components of the patches of `images` [n, 3, 8h, 8w].

        A channel's standard deviation becomes the square root of its component's, the first one's being 1: between
        whitening, where a denoiser spends itself on the weakest components, and none, where noise drowns them.
        """
        patches = F.pixel_unshuffle(images, PATCH).movedim(1, -1).flatten(0, -2).double()
        mean = patches.mean(0)
        centred = patches - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        count = self.config["latent_channels"]
        deviations, basis = values.flip(0)[:count].clamp_min(1e-12).sqrt(), vectors.flip(1)[:, :count].T
        sizes = (deviations / deviations[0]).sqrt()
        forward = basis * (sizes / deviations)[:, None]
        backward = basis.T * (deviations / sizes)
        for conv, weight, bias in (
            (self.analysis[1], forward, -forward @ mean), (self.synthesis[0], backward, mean),
        ):  # fmt: skip
            conv.get_parameter("weight").copy_(weight[..., None, None])
            conv.get_parameter("bias").copy_(bias)

    def save_pretrained(self, folder: Path) -> None:
        folder = Path(folder)
        save_weights(self, folder / "diffusion_pytorch_model.safetensors")
        write_json(folder / "config.json", self.config)

    @classmethod
    def from_pretrained(cls, folder: Path) -> "TinyAutoencoder":
        config = read_json(Path(folder) / "config.json")
        if config.get("_class_name") != "TinyAutoencoder":
            raise ValueError(
                f"{folder}/config.json: _class_name: expected TinyAutoencoder, "
                f"received {json.dumps(config.get('_class_name'))}"
            )
        model = cls(
            config["latent_channels"], tuple(config["channels"]), tuple(config["blocks"]), config["scaling_factor"]
        )
        model.load_state_dict(load_file(Path(folder) / "diffusion_pytorch_model.safetensors"))
        return model


def load_autoencoder(folder: Path) -> "TinyAutoencoder | AutoencoderKL":
    """The autoencoder of a folder, ours or diffusers' own; raises StageError as `load_whole`."""
    if read_json(folder / "config.json").get("_class_name") == "AutoencoderKL":
        return load_whole(AutoencoderKL, folder)
    return TinyAutoencoder.from_pretrained(folder)


def compression_factor(vae: "TinyAutoencoder | AutoencoderKL") -> int:
    """Image pixels to a side of a latent pixel."""
    return PATCH if isinstance(vae, TinyAutoencoder) else 2 ** (len(vae.config.block_out_channels) - 1)
