"""Trains an autoencoder, on one process; the same command resumes."""

import functools
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from ...data.autoencoder import FrozenAutoencoder
from ...files import json_sha256
from ...stage import StageError, StageProgress, warn
from .. import run_state
from ..run_folder import RunFolder
from ..steps import prepared, step_generator
from ..stop import StopAsked
from ..strategies.single import Single
from .files import write_autoencoder, write_record
from .images import PixelBatches, Pixels
from .loss import KL_WEIGHT, L1_WEIGHT, MSE_WEIGHT, autoencoder_losses
from .options import VaeOptions
from .scale import measured_scaling_factor


def train_autoencoder(
    options: VaeOptions,
    autoencoder: FrozenAutoencoder,  # what training starts from
    training: Pixels,  # at least a batch
    validation: Pixels,  # at least one image
    out: Path,  # the run folder
) -> dict[str, Any]:
    """Trains encoder and decoder to the end or until SIGTERM or SIGINT. Returns what became of it: `status` is
    `finished` or `stopped`.

    The weights of the least validation loss, those at the start among them, are in `out/vae/`; `out/vae.json` is
    written when training has ended. Raises StageError where the checkpoint is another run's, or the loss is no number
    any more; the checkpoints stay what they are.
    """
    with StopAsked() as stop:
        return _Run(options, autoencoder, training, validation, RunFolder(out)).train(stop)


class _Run:
    def __init__(
        self, options: VaeOptions, autoencoder: FrozenAutoencoder, training: Pixels, validation: Pixels,
        folder: RunFolder,
    ):  # fmt: skip
        self.options, self.training, self.validation, self.folder = options, training, validation, folder
        self.latent_shape, self.strategy = autoencoder.latent_shape, Single()
        self.model: AutoencoderKL = autoencoder.files.load(AutoencoderKL, str(self.strategy.device)).float()
        self.model.requires_grad_(True).train()
        if options.gradient_checkpointing:
            self.model.enable_gradient_checkpointing()
        self.strategy.prepare(self.model, options.optimization())
        self.epoch = len(training) // options.batch_size
        self.steps = self.epoch * options.num_epochs
        self.measured_on = {
            "validation_set": validation.fingerprint, "items": len(validation),
            "image_size": list(autoencoder.image_size), "precision": options.precision,
            "weights": {"l1": L1_WEIGHT, "mse": MSE_WEIGHT, "kl": KL_WEIGHT},
        }  # fmt: skip
        self.hashes = {
            "autoencoder": autoencoder.sha256, "training_set": training.fingerprint,
            "validation_set": validation.fingerprint,
        }  # fmt: skip
        hashes = {f"hash.{name}": value for name, value in self.hashes.items()}
        self.identity = {**options.learnt(), "vae.image_size": list(autoencoder.image_size), **hashes}
        self.state = run_state.resume(folder.checkpoints, self.strategy, None, self.identity, "ddp")
        self.norm, self.began, self.first = torch.zeros(()), time.monotonic(), self.state.step

    def train(self, stop: StopAsked) -> dict[str, Any]:
        options, state, folder = self.options, self.state, self.folder
        facts = {"config_hash": json_sha256(self.identity), "steps": self.steps, "hashes": self.hashes}
        folder.write_options({"vae": vars(options)}, facts)
        folder.forget_after(state.step or -1)
        if state.step == 0:
            self._validate()
        size = options.batch_size
        progress = StageProgress("training", self.steps * size, "samples", state.step * size)
        batches = PixelBatches(self.training, size, options.seed, options.flip)
        steps = range(state.step, self.steps)
        for pixels in prepared(batches, steps, options.num_workers, str(self.strategy.device)):
            progress.update((state.step + 1) * size, loss=self._step(pixels))
            ends = state.step % self.epoch == 0
            if ends:
                self._validate()
            if stop.asked or ends or state.step % options.checkpoint_steps == 0:
                self._check_loss()
                run_state.save(folder.checkpoints, state, self.strategy, None, self.identity, "ddp")
            if stop.asked:
                break
        return self._end()

    def _step(self, pixels: Tensor) -> float:
        """Learns from the next batch; its mean loss."""
        options, device = self.options, self.strategy.device
        draws = step_generator(options.seed, self.state.step, str(device), stream=1)
        noise = torch.randn(len(pixels), *self.latent_shape, generator=draws, device=device)
        losses: list[Tensor] = []
        for images, drawn in zip(pixels.split(options.part), noise.split(options.part), strict=True):
            part = functools.partial(self._loss, images.to(device), drawn)
            losses.append(self.strategy.backward(part, len(losses) + 1 == options.gradient_accumulation_steps))
        self.norm = self.strategy.step(options.learning_rate).gradient_norm
        self.state.step += 1
        loss = torch.stack(losses).mean().item()
        self.state.loss_sum, self.state.loss_count = self.state.loss_sum + loss, self.state.loss_count + 1
        return loss

    def _loss(self, pixels: Tensor, noise: Tensor) -> Tensor:
        return autoencoder_losses(self.model, pixels, noise).total().mean()

    def _check_loss(self) -> None:
        if not math.isfinite(self.state.loss_sum):
            message = f"the training loss is no number any more at step {self.state.step}"
            hint = "Lower vae.learning_rate. The last checkpoint is from before; the same command resumes it."
            raise StageError("TRAINING_DIVERGED", message, hint)

    @torch.no_grad()
    def _validate(self) -> None:
        """Measures the weights, writes the figures, and keeps the weights where they are the best yet."""
        self._check_loss()
        state, sums = self.state, torch.zeros(4, dtype=torch.float64)
        for pixels in self._images(self.validation):
            with self.strategy.autocast():
                losses = autoencoder_losses(self.model, pixels, None)
            sums += torch.stack([losses.total().sum(), *(values.sum() for values in losses)]).cpu()
        loss, l1, mse, kl = (sums / len(self.validation)).tolist()
        if state.judge(loss, 0.0):
            if state.step > 0:
                # Of other weights the latents have another scale, by which a denoiser would be off.
                self.model.register_to_config(
                    scaling_factor=measured_scaling_factor(self.model, self._images(self.training))
                )
            write_autoencoder(self.model, self.folder.folder / "vae")
        now = time.monotonic()
        images = (state.step - self.first) * self.options.batch_size
        self.folder.add_metrics(
            {
                "step": state.step, "epoch": state.step / self.epoch,
                "train_vae_loss": state.loss_sum / state.loss_count if state.loss_count else math.nan,
                "val_vae_loss": loss, "val_l1": l1, "val_mse": mse, "val_kl": kl, "grad_norm": self.norm.item(),
                "lr": self.options.learning_rate, "samples_per_second": images / max(now - self.began, 1e-9),
            }
        )  # fmt: skip
        state.loss_sum, state.loss_count = 0.0, 0
        self.began, self.first = time.monotonic(), state.step

    def _images(self, pixels: Pixels) -> Iterator[Tensor]:
        """All of them in parts, on the device."""
        for rows in torch.arange(len(pixels)).split(self.options.part):
            yield pixels.load(rows.tolist(), [False] * len(rows)).to(self.strategy.device)

    def _end(self) -> dict[str, Any]:
        state = self.state
        best = {"best_val_vae_loss": state.best_loss, "best_step": state.best_step}
        finished = state.step == self.steps
        if finished:
            facts = {"config_hash": json_sha256(self.identity), "hashes": self.hashes, "validation": self.measured_on}
            write_record(self.folder, {"run_name": self.folder.folder.name, **best, **facts})
        else:
            warn(f"stopped after step {state.step} of {self.steps}; the same command resumes")
        return {"status": "finished" if finished else "stopped", "step": state.step, "steps": self.steps, **best}
