"""Trains the autoencoder on the images that data.py wrote, then encodes every image once.

    python trainer/train_vae.py --data runs/emoji-128/data --val runs/emoji-128/val --out runs/emoji-128/vae

Loss: L1 + MSE + 0.5 * L1 of the finite differences; noise of up to a fifth of the latents' deviation makes the decoder
forgive a denoiser's small errors. Resumes from its checkpoint.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from t2i_trainer.evaluation.sharpness import gradient_energy
from t2i_trainer.files import write_json
from t2i_trainer.networks.autoencoder import PATCH, TinyAutoencoder
from t2i_trainer.progress import Progress
from t2i_trainer.training.checkpoints import load_checkpoint, save_checkpoint
from t2i_trainer.training.steps import (
    Ema,
    EpochSampler,
    add_device_flags,
    add_pace_flags,
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


def train_vae(
    data: Path,  # folder of data.py
    val: Path,  # another, whose images are only measured
    out: Path,  # receives config.json, weights, checkpoints, training.json
    steps: int = 6_000,
    batch: int = 16,
    lr: float = 1e-3,
    decay: float = 0.4,  # share of the steps over which the learning rate falls to 0
    latent_channels: int = 12,
    channels: tuple[int, int] = (64, 160),
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
    checkpoint_every: int = 500,
    cuda_graphs: bool = False,  # replay the passes as CUDA graphs
    workers: int = 0,  # processes that prepare batches, for a GPU that would wait for one
) -> TinyAutoencoder:
    """Trains (or goes on training) and returns the EMA model with its scaling factor set."""
    pixels = np.load(data / "pixels.npy", mmap_mode="r")
    seed_everything(seed)
    model = TinyAutoencoder(latent_channels, channels).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4, betas=(0.9, 0.99), fused=True)
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
    progress = Progress("vae", steps * batch, "samples", first * batch)
    loss_of, side = Reconstruction(model), pixels.shape[1] // PATCH
    images = prepared(PixelBatches(pixels, batch, seed), range(first, steps), workers, device)
    for step, wanted in enumerate(images, first):
        noise = latent_noise((batch, latent_channels, side, side), step_generator(seed, step, device))
        given = wanted.to(device, non_blocking=True), noise
        if cuda_graphs and step == first:
            loss_of = captured(loss_of, given, device, precision)
        with autocast(device, precision):
            loss = loss_of(*given)
        descend(optimizer, loss, learning_rate(step, lr, 100, steps, decay))
        ema.update(model, step)
        progress.update((step + 1) * batch, loss=loss.detach())
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            save_checkpoint(
                out, step + 1, model=trained_weights(model), optimizer=optimizer.state_dict(), ema=ema.weights
            )
    set_weights(model, ema.weights)
    sample = encode(model, pixels[:512], device)
    model.config["scaling_factor"] = 1 / sample.std().item()
    model.save_pretrained(out)
    record = {
        "steps": steps,
        "batch": batch,
        "lr": lr,
        "seed": seed,
        "precision": precision,
        **measure(model, np.load(val / "pixels.npy", mmap_mode="r"), device),
    }
    write_json(out / "training.json", record)
    print(json.dumps(record))
    return model


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
    model = TinyAutoencoder.from_pretrained(vae).to(device, memory_format=torch.channels_last).eval()
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument(
        "--also-encode", type=Path, nargs="*", default=[], help="more data folders to encode with the trained model"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--latent-channels", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    add_device_flags(parser)
    add_pace_flags(parser)
    args = vars(parser.parse_args())
    also = args.pop("also_encode")
    train_vae(**args)
    for folder in [args["data"], args["val"], *also]:
        write_latents(folder, args["out"], args["device"], args["precision"])


if __name__ == "__main__":
    main()
