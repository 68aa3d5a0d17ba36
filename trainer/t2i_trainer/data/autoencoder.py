"""The frozen autoencoder of a project, diffusers' AutoencoderKL: images to latents."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageOps
from torch import Tensor

from ..stage import Issue, StageError
from .pretrained import default_device, find_pretrained


def crop(image: Image.Image, height: int, width: int) -> Image.Image:
    """The largest part of this shape around the centre, resampled to it with Pillow's Lanczos filter."""
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS, centering=(0.5, 0.5))


def to_pixels(image: Image.Image) -> Tensor:
    """uint8 [3, h, w] of an RGB image."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


class FrozenAutoencoder:
    """AutoencoderKL for images of one size. Its weights are loaded when an image is first encoded."""

    def __init__(self, model: str, image_size: tuple[int, int], project: Path):
        """`model` is a folder or a name on the Hub, `image_size` height and width in pixels. Raises StageError for a
        model that cannot be used, or a size that it has no latents for."""
        self.files = find_pretrained(model, project, "vae.model", "vae")
        self.image_size = image_size
        try:
            config = AutoencoderKL.load_config(self.files.folder)
            self.factor = 2 ** (len(config["block_out_channels"]) - 1)
            self.scaling_factor = float(config["scaling_factor"])
            self.latent_shape = (int(config["latent_channels"]), *(side // self.factor for side in image_size))
            self.shift_factor = float(config.get("shift_factor") or 0)
        except (OSError, ValueError, KeyError, TypeError) as error:
            received = f"{type(error).__name__}: {error}"
            raise self.files.invalid("the configuration of an AutoencoderKL", received) from error
        if any(side < self.factor or side % self.factor for side in image_size):
            nearest = [max(1, round(side / self.factor)) * self.factor for side in image_size]
            raise StageError(
                "OPTION_INVALID",
                f"images of {image_size[0]}x{image_size[1]} have no latents in {model}",
                f"Set vae.image_size to {nearest}.",
                (Issue("vae.image_size", f"height and width in multiples of {self.factor}", str(list(image_size))),),
            )
        self.sha256 = self.files.sha256()
        self.device = default_device()
        self._model: AutoencoderKL | None = None

    def __getstate__(self) -> dict[str, object]:
        # A process that loads images needs no weights.
        return {**vars(self), "_model": None}

    def key(self, image_sha256: str, flipped: bool) -> str:
        """Of the latent of an image file: changes with its bytes, the autoencoder, the size and whether mirrored."""
        height, width = self.image_size
        return hashlib.sha256(f"{self.sha256} {height}x{width} {flipped} {image_sha256}".encode()).hexdigest()

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [n, 3, h, w] to mean and standard deviation of the latents, float32 [n, c, h / factor, w / factor] on
        the CPU, as a denoiser sees them: shifted, and times the scaling factor."""
        if self._model is None:
            self._model = self.files.load(AutoencoderKL, self.device)
        unit = pixels.to(self.device).float().div(127.5).sub(1)
        latents = self._model.encode(unit).latent_dist
        mean = (latents.mean - self.shift_factor) * self.scaling_factor
        return mean.float().cpu(), (latents.std * self.scaling_factor).float().cpu()
