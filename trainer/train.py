"""Trains the denoiser on latents and text states that train_vae.py and train_text.py wrote; the same command resumes.

    python trainer/train.py --data runs/emoji-128/data --val runs/emoji-128/val --out runs/emoji-128 --steps 15000

Writes `unet/` (EMA weights), `scheduler/`, `checkpoint.pt`, `options.json` and `metrics.jsonl`. A resumed run has the
same weights as one never stopped.
"""

import argparse
import json
import math
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from t2i_trainer.denoiser import (
    min_snr_weights,
    new_scheduler,
    new_unet,
    sampling_scheduler,
    stratified_timesteps,
    target_of,
    validation_draws,
)
from t2i_trainer.files import write_json
from t2i_trainer.latents import LatentSet
from t2i_trainer.progress import Progress
from t2i_trainer.training import (
    Ema,
    EpochSampler,
    add_device_flags,
    autocast,
    count_parameters,
    descend,
    learning_rate,
    load_checkpoint,
    save_checkpoint,
    seed_everything,
    step_generator,
    swapped_weights,
)
from train_sketch import load_sketch


def train(
    data: Path,  # folder with latents.npy, states.npy, captions.json, samples.jsonl
    val: Path,  # the same for validation
    out: Path,  # run folder
    sketch: Path | None = None,  # folder of train_sketch.py; the sketch starts from it and stays as it is
    init_from: Path | None = None,  # folder of a UNet whose weights to start from, as far as names and shapes agree
    steps: int = 15_000,
    batch: int = 16,
    lr: float = 1e-3,
    warmup: int = 300,
    decay: float = 0.3,  # share of the steps over which the learning rate falls to 0
    channels: tuple[int, ...] = (64, 128, 256),
    layers: int = 1,  # residual blocks a level
    prediction: str = "v_prediction",  # or epsilon, sample
    caption_dropout: float = 0.1,  # share of samples that see the empty caption
    ema_decay: float = 0.999,
    timestep_exponent: float = 0.5,  # 1 draws timesteps uniformly, less draws the noisy ones more often
    min_snr: float | None = None,  # gamma of min-SNR weighting, off when None; validation is never weighted
    clip: float = 0.5,  # largest gradient norm
    seed: int = 0,
    device: str = "cpu",
    precision: str = "fp32",
    compile: bool = False,  # torch.compile the network
    checkpoint_every: int = 500,
    stop_after: int | None = None,  # end after this step as if interrupted
) -> None:
    """Runs the training loop."""
    options = {
        key: str(value) if isinstance(value, Path) else value for key, value in locals().items() if key != "stop_after"
    }
    training, validation = LatentSet(data), LatentSet(val)
    seed_everything(seed)
    unet = new_unet(
        tuple(channels), layers, training.states.shape[-1], training.latents.shape[1], training.latents.shape[-1]
    ).to(device)
    if init_from:
        start_from(unet, init_from)
    if sketch:
        unet.sketch.load_state_dict(load_sketch(sketch))
        unet.sketch.requires_grad_(False)
    forward = torch.compile(unet) if compile else unet
    scheduler = new_scheduler(prediction)
    total = scheduler.config.num_train_timesteps
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    ema, sampler, first = Ema(unet, ema_decay), EpochSampler(len(training), batch, seed), 0
    if state := load_checkpoint(out / "checkpoint.pt", device):
        unet.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema.weights, first = state["ema"], state["step"]
    write_json(
        out / "options.json", {**options, "parameters": count_parameters(unet.parameters()), "torch": torch.__version__}
    )
    progress, mean = Progress("unet", steps * batch, "samples", first * batch), math.nan
    for step in range(first, steps):
        draw = step_generator(seed, step)
        drop = torch.rand(batch, generator=draw) < caption_dropout
        latents, states = training.batch(torch.from_numpy(sampler.indices(step)), drop)
        noise = torch.randn(latents.shape, generator=draw)
        timesteps = stratified_timesteps(batch, total, timestep_exponent, draw)
        latents, states, noise, timesteps = (tensor.to(device) for tensor in (latents, states, noise, timesteps))
        with autocast(device, precision):
            said = forward(scheduler.add_noise(latents, noise, timesteps), timesteps, states).sample
        error = F.mse_loss(said.float(), target_of(scheduler, latents, noise, timesteps), reduction="none").mean(
            (1, 2, 3)
        )
        loss = (error * min_snr_weights(scheduler, timesteps, min_snr)).mean() if min_snr else error.mean()
        descend(optimizer, loss, learning_rate(step, lr, warmup, steps, decay), clip)
        ema.update(unet, step)
        mean = loss.item() if math.isnan(mean) else 0.99 * mean + 0.01 * loss.item()
        progress.update((step + 1) * batch, loss=mean)
        done = step + 1
        if done % checkpoint_every == 0 or done in (steps, stop_after):
            save_checkpoint(
                out / "checkpoint.pt",
                model=unet.state_dict(),
                optimizer=optimizer.state_dict(),
                ema=ema.weights,
                step=done,
            )
            with swapped_weights(unet, ema.weights):
                val_loss = validation_loss(unet, scheduler, validation, device, precision)
                unet.save_pretrained(out / "unet")
            sampling_scheduler(scheduler).save_pretrained(out / "scheduler")
            with (out / "metrics.jsonl").open("a") as lines:
                lines.write(json.dumps({"step": done, "train_loss": mean, "val_loss": val_loss}) + "\n")
            print(f"step={done} train_loss={mean!r} val_loss={val_loss!r}", flush=True)
        if done == stop_after:
            return


def start_from(unet: torch.nn.Module, folder: Path) -> None:
    """Copies the weights of `folder` that fit. A first convolution of fewer inputs fills the first of ours; the rest
    start at 0."""
    state = unet.state_dict()
    for name, tensor in load_file(folder / "diffusion_pytorch_model.safetensors").items():
        if name == "conv_in.weight" and tensor.shape != state[name].shape:
            tensor = F.pad(tensor, (0, 0, 0, 0, 0, state[name].shape[1] - tensor.shape[1]))
        if name in state and tensor.shape == state[name].shape:
            state[name].copy_(tensor)
    unet.load_state_dict(state)


@torch.no_grad()
def validation_loss(unet, scheduler, validation: LatentSet, device: str, precision: str, batch: int = 64) -> float:
    """Unweighted mean loss over the validation set with its fixed noise and timesteps."""
    noise, timesteps = validation_draws(
        validation.captions, tuple(validation.latents.shape[1:]), scheduler.config.num_train_timesteps
    )
    unet.eval()
    losses = []
    for i in range(0, len(validation), batch):
        part = slice(i, i + batch)
        latents, states = validation.batch(torch.arange(len(validation))[part])
        latents, states, eps, t = (tensor.to(device) for tensor in (latents, states, noise[part], timesteps[part]))
        with autocast(device, precision):
            said = unet(scheduler.add_noise(latents, eps, t), t, states).sample
        losses.append(F.mse_loss(said.float(), target_of(scheduler, latents, eps, t), reduction="none").mean((1, 2, 3)))
    unet.train()
    return torch.cat(losses).mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sketch", type=Path)
    parser.add_argument("--init-from", type=Path)
    parser.add_argument("--steps", type=int, default=15_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--channels", type=int, nargs="+", default=(64, 128, 256))
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--prediction", choices=("epsilon", "v_prediction", "sample"), default="v_prediction")
    parser.add_argument("--caption-dropout", type=float, default=0.1)
    parser.add_argument("--ema-decay", type=float, default=0.999)
    parser.add_argument("--timestep-exponent", type=float, default=0.5)
    parser.add_argument("--min-snr", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-every", type=int, default=500)
    parser.add_argument("--stop-after", type=int)
    parser.add_argument("--compile", action="store_true")
    add_device_flags(parser)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    train(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
