"""The training of the autoencoder on composed images.

Loss: L1 + MSE + 0.5 * L1 of the finite differences; noise of up to a fifth of the latents' deviation makes the decoder
forgive a denoiser's small errors.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from ..command_line import required
from ..evaluation.sharpness import gradient_energy
from ..files import write_json
from ..networks.autoencoder import PATCH, TinyAutoencoder
from ..progress import Progress
from ..sections import option
from ..training.checkpoints import load_checkpoint, save_checkpoint
from ..training.fit import Figures, fit
from ..training.pace import Pace
from ..training.steps import (
    Ema,
    EpochSampler,
    autocast,
    captured,
    descend,
    learning_rate,
    prepared,
    seed_everything,
    set_weights,
    step_generator,
    trained_weights,
)

# Most noise on the latents, as a share of their standard deviation.
LATENT_NOISE = 0.2
# Images whose patches give the linear maps.
PATCH_SAMPLE = 2_048


class PixelBatches(Dataset):
    """The images of each step, uint8 [batch, h, w, 3]."""

    def __init__(self, pixels: np.ndarray, batch: int, seed: int):
        self.pixels, self.sampler = pixels, EpochSampler(len(pixels), batch, seed)

    def __getitem__(self, step: int) -> Tensor:
        return torch.from_numpy(self.pixels[np.sort(self.sampler.indices(step))])


class Reconstruction(nn.Module):
    """Images, uint8 [n, h, w, 3], and noise for their latents to the loss that an autoencoder is trained by."""

    def __init__(self, autoencoder: TinyAutoencoder):
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, pixels: Tensor, noise: Tensor) -> Tensor:
        want = unit(pixels)
        latents = self.autoencoder.encode(want)
        # Keeps the latents near unit size, so that noise of a fixed size means something.
        size_loss = 1e-3 * latents.float().square().mean()
        got = self.autoencoder.decode(latents + latents.detach().std() * noise).float()
        return reconstruction_loss(got, want) + size_loss


def to_unit(pixels: np.ndarray, device: str) -> Tensor:
    """uint8 [n, h, w, 3] to float32 [n, 3, h, w] in -1..1, channels last in memory."""
    return unit(torch.from_numpy(np.array(pixels)).to(device))


def unit(pixels: Tensor) -> Tensor:
    """`to_unit` of what is on its device already."""
    return pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)


def reconstruction_loss(got: Tensor, want: Tensor) -> Tensor:
    """L1 + MSE + 0.5 * L1 between the horizontal and vertical differences (keeps edges)."""
    difference = got - want
    across, down = difference.diff(dim=-1).abs().mean(), difference.diff(dim=-2).abs().mean()
    return difference.abs().mean() + difference.square().mean() + 0.5 * (across + down)


def latent_noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Normal noise on the generator's device, for each image of another size between 0 and LATENT_NOISE."""
    device = generator.device
    noise = torch.randn(shape, generator=generator, device=device)
    return LATENT_NOISE * torch.rand((shape[0], 1, 1, 1), generator=generator, device=device) * noise


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoencoderOptions(Pace):
    """What the autoencoder is trained with."""

    data: Path = required("folder of data.py")
    val: Path = required("another, whose images are only measured")
    out: Path = required("folder for config.json, weights, checkpoints and training.json")
    also_encode: tuple[Path, ...] = option((), "more data folders to encode with the trained model")
    steps: int = option(6_000, "steps of the training", least=1)
    batch: int = option(16, "images of a step", least=1)
    lr: float = option(1e-3, "peak learning rate", above=0)
    decay: float = option(0.4, "share of the steps over which the learning rate falls to 0", above=0, most=1)
    latent_channels: int = option(12, "channels of the latents", least=1)
    channels: tuple[int, int] = option((64, 160), "channels of the two levels", least=1)
    seed: int = option(0, "of weights, order and noise", least=0)
    checkpoint_every: int = option(500, "steps between checkpoints", least=1)


def train_autoencoder(options: AutoencoderOptions) -> TinyAutoencoder:
    """Trains (or goes on training) and returns the averaged model with its scaling factor set."""
    device, out = options.device, options.out
    pixels = np.load(options.data / "pixels.npy", mmap_mode="r")
    seed_everything(options.seed)
    model = on_channels_last(TinyAutoencoder(options.latent_channels, options.channels), device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=1e-4, betas=(0.9, 0.99), fused=True)
    first = 0
    if state := load_checkpoint(out, device):
        set_weights(model, state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    else:
        model.start_from_patches(to_unit(pixels[:PATCH_SAMPLE], device))
    ema = Ema(model, 0.995)
    if state:
        ema.weights = state["ema"]
    loss_of: nn.Module = Reconstruction(model)
    shape = (options.batch, options.latent_channels, pixels.shape[1] // PATCH, pixels.shape[2] // PATCH)

    def learn(step: int, wanted: Tensor) -> Figures:
        nonlocal loss_of
        noise = latent_noise(shape, step_generator(options.seed, step, device))
        given = wanted.to(device, non_blocking=True), noise
        if options.cuda_graphs and step == first:
            loss_of = captured(loss_of, given, device, options.precision)
        with autocast(device, options.precision):
            loss = loss_of(*given)
        descend(optimizer, loss, learning_rate(step, options.lr, 100, options.steps, options.decay))
        ema.update(model, step)
        return {"loss": loss.detach()}

    def after(done: int) -> bool:
        if done % options.checkpoint_every == 0 or done == options.steps:
            weights = trained_weights(model)
            save_checkpoint(out, done, model=weights, optimizer=optimizer.state_dict(), ema=ema.weights)
        return False

    images = PixelBatches(pixels, options.batch, options.seed)
    progress = Progress("vae", options.steps * options.batch, "samples", first * options.batch)
    fit(
        learn, prepared(images, range(first, options.steps), options.workers, device), first, options.batch, progress,
        after,
    )  # fmt: skip
    set_weights(model, ema.weights)
    model.config["scaling_factor"] = 1 / encode(model, pixels[:512], device).std().item()
    model.save_pretrained(out)
    measured = measure(model, np.load(options.val / "pixels.npy", mmap_mode="r"), device)
    record = {name: getattr(options, name) for name in ("steps", "batch", "lr", "seed", "precision")} | measured
    write_json(out / "training.json", record)
    print(json.dumps(record))
    return model


def on_channels_last(model: TinyAutoencoder, device: str) -> TinyAutoencoder:
    """The model on a device, its weights in the layout that convolutions are fastest in."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.no_grad()
def encode(model: TinyAutoencoder, pixels: np.ndarray, device: str, precision: str = "fp32", batch: int = 64) -> Tensor:
    """Raw latents, float32 [n, channels, h / 8, w / 8]."""
    with autocast(device, precision):
        parts = [model.encode(to_unit(pixels[i : i + batch], device)) for i in range(0, len(pixels), batch)]
    return torch.cat(parts).float().cpu()


@torch.no_grad()
def measure(model: TinyAutoencoder, pixels: np.ndarray, device: str, batch: int = 64) -> dict[str, float]:
    """Mean peak signal-to-noise ratio of the reconstructions, in dB, and their gradient energy as a share of the
    originals'."""
    ratios, energies = [], []
    for i in range(0, len(pixels), batch):
        want = to_unit(pixels[i : i + batch], device)
        got = model.decode(model.encode(want)).clamp(-1, 1)
        error = F.mse_loss(got, want, reduction="none").mean((1, 2, 3))
        ratios.append(10 * torch.log10(4 / error.clamp_min(1e-10)))
        energies.append(torch.stack([gradient_energy(got), gradient_energy(want)]))
    got, want = torch.stack(energies).sum(0)
    return {"psnr_db": torch.cat(ratios).mean().item(), "gradient_energy": (got / want).item()}


def write_latents(data: Path, vae: Path, device: str, precision: str = "fp32") -> None:
    """Encodes the images of a data folder: `latents.npy`, float16, already times the scaling factor, with a record
    of the autoencoder it came from."""
    model = on_channels_last(TinyAutoencoder.from_pretrained(vae), device).eval()
    pixels = np.load(data / "pixels.npy", mmap_mode="r")
    side = pixels.shape[1] // PATCH
    latents = np.lib.format.open_memmap(
        data / "latents.npy", "w+", np.float16, (len(pixels), model.config["latent_channels"], side, side)
    )
    progress = Progress("latents", len(pixels), "images")
    for i in range(0, len(pixels), 256):
        raw = encode(model, pixels[i : i + 256], device, precision, batch=256)
        latents[i : i + 256] = (raw * model.config["scaling_factor"]).half().numpy()
        progress.update(min(i + 256, len(pixels)))
    latents.flush()
