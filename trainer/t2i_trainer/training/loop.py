"""Trains a denoiser on latents and text states, on one rank or many; the same command resumes."""

import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch

from ..files import json_sha256
from ..params import TrainingParams
from ..stage import StageError, StageProgress, warn
from . import run_state
from .learner import Learner
from .options import DiffuserOptions
from .run_folder import RunFolder
from .samples import Samples
from .stop import StopAsked
from .strategies import new_strategy

HOPELESS = 40
"""Steps in a row that overflow in fp16: each halves the loss scale, and of 65,536 nothing is left."""


class Tracker(Protocol):
    """Whoever keeps track of experiments."""

    def start(self, run: str | None, options: dict[str, Any]) -> str:
        """Begins a run, or goes on with the one of that name; returns its name."""
        ...

    def log(self, step: int, figures: dict[str, float]) -> None:
        """Figures of a step, by the names of `metrics.jsonl`; NaN where there is none."""
        ...


def train_diffuser(
    options: DiffuserOptions,
    samples: Samples,
    validation: Samples,
    out: Path,  # the run folder; of several ranks, one that all of them see
    tracker: Tracker | None = None,  # used by rank 0 alone
) -> dict[str, Any]:
    """Trains to the end, until validation improves no more, or until SIGTERM or SIGINT. Returns what became of it:
    `status` is `finished`, `out_of_patience` or `stopped`.

    Raises StageError where the data does not fit the options, the checkpoint is another run's, memory does not
    suffice, or the loss is no number any more; the checkpoints stay what they are.
    """
    strategy = new_strategy(options.training.strategy)
    try:
        learner = Learner(options, samples, validation, strategy)
        with StopAsked() as stop:
            return _Run(options, learner, RunFolder(out), tracker if strategy.rank == 0 else None).train(stop)
    finally:
        strategy.close()


class _Run:
    """What happens around the steps of a learner: figures, checkpoints and the files of the run folder."""

    def __init__(self, options: DiffuserOptions, learner: Learner, folder: RunFolder, tracker: Tracker | None):
        self.options, self.learner, self.folder, self.tracker = options.training, learner, folder, tracker
        self.strategy, self.writes = learner.strategy, learner.strategy.rank == 0
        self.sections, self.hashes = options.sections(), learner.hashes(options.unet.init_from)
        self.identity = _identity(options, self.hashes)
        self.hash = json_sha256(self.identity)
        self.state = run_state.resume(
            folder.checkpoints, self.strategy, learner.ema, self.identity, options.training.strategy
        )
        # This rank's losses since they were last added up; to read them at each step would make a GPU wait.
        self.losses = torch.zeros((), dtype=torch.float64, device=self.strategy.device)
        self.seconds, self.timed = 0.0, 0
        self.rate, self.norm, self.overflows = 0.0, torch.zeros(()), 0

    def train(self, stop: StopAsked) -> dict[str, Any]:
        options, state, learner = self.options, self.state, self.learner
        self._open()
        size, asked = options.batch_size, False
        progress = StageProgress("training", learner.steps * size, "samples", state.step * size)
        while not (asked or self._done()):
            loss = self._step()
            if self.writes:
                progress.update(state.step * size, loss=loss)
            asked = self.strategy.total(torch.tensor(float(stop.asked))).item() > 0
            if self._is_due(options.validation_steps):
                self._validate()
            if asked or self._done() or self._is_due(options.checkpoint_steps):
                self._add_up()
                run_state.save(
                    self.folder.checkpoints, state, self.strategy, learner.ema, self.identity, options.strategy
                )
        return self._end()

    def _done(self) -> bool:
        return self.state.step >= self.learner.steps or self.state.out_of_patience(self.options.patience)

    def _is_due(self, every: int | None) -> bool:
        step = self.state.step
        due = self.learner.stream.ends_epoch(step) if every is None else step % every == 0
        return due or step == self.learner.steps

    def _step(self) -> torch.Tensor:
        state, began = self.state, time.monotonic()
        self.rate = self.learner.learning_rate(state.applied)
        try:
            loss, stepped = self.learner.step(state.step, state.applied)
        except torch.OutOfMemoryError as error:
            raise _out_of_memory(self.options, self.learner.part, self.strategy.world, error) from error
        state.step += 1
        self.overflows = 0 if stepped.applied else self.overflows + 1
        if stepped.applied:
            self.norm = stepped.gradient_norm
            self.losses += loss
            state.applied += 1
            state.loss_count += self.strategy.world
        self.seconds, self.timed = self.seconds + time.monotonic() - began, self.timed + 1
        return loss

    def _add_up(self) -> None:
        """Adds the ranks' losses to the state; raises StageError where the sum is no number."""
        self.state.loss_sum += self.strategy.total(self.losses).item()
        self.losses.zero_()
        if not math.isfinite(self.state.loss_sum) or self.overflows >= HOPELESS:
            hint = (
                "Lower training.unet_learning_rate, lengthen training.warmup_steps, or use another training.precision "
                "than fp16. The last checkpoint is from before; the same command resumes it."
            )
            message = f"the training loss is no number any more at step {self.state.step}"
            raise StageError("TRAINING_DIVERGED", message, hint)

    def _validate(self) -> None:
        """Measures the averaged weights, writes the figures, and keeps the weights where they are the best yet."""
        state, learner = self.state, self.learner
        self._add_up()
        with learner.at_rest():
            loss = learner.validate()
            best = state.judge(loss, self.options.min_delta)
            if best:
                with self.strategy.whole():
                    if self.writes:
                        self.folder.write_best(learner.unet, learner.scheduler, self._best())
        figures = {
            "step": state.step, "epoch": learner.stream.epochs(state.step),
            "train_diffuser_loss": state.loss_sum / state.loss_count if state.loss_count else math.nan,
            "val_diffuser_loss": loss,
            "grad_norm": self.norm.item(), "lr": self.rate,
            "samples_per_second": self.timed * self.options.batch_size / max(self.seconds, 1e-9),
        }  # fmt: skip
        state.loss_sum, state.loss_count, self.seconds, self.timed = 0.0, 0, 0.0, 0
        if self.writes:
            self.folder.add_metrics(figures)
        if self.tracker:
            self.tracker.log(state.step, figures)

    def _best(self) -> dict[str, Any]:
        return {
            "best_val_diffuser_loss": self.state.best_loss, "best_step": self.state.best_step,
            "config_hash": self.hash, "validation": self.learner.record,
        }  # fmt: skip

    def _open(self) -> None:
        if not self.writes:
            return
        facts = {
            "config_hash": self.hash, "parameters": self.learner.parameters, "steps": self.learner.steps,
            "hashes": self.hashes,
            "validation": self.learner.record,
        }  # fmt: skip
        self.folder.write_options(self.sections, facts)
        self.folder.forget_after(self.state.step)
        if self.tracker:
            self.state.tracking_run = self.tracker.start(self.state.tracking_run, {**self.sections, **facts})

    def _end(self) -> dict[str, Any]:
        state, status = self.state, "stopped"
        if self._done():
            status = "finished" if state.step >= self.learner.steps else "out_of_patience"
            with self.learner.at_rest(), self.strategy.whole():
                if self.writes:
                    self.folder.write_model(self.learner.unet, self.learner.scheduler)
        elif self.writes:
            warn(f"stopped after step {state.step} of {self.learner.steps}; the same command resumes")
        return {
            "status": status, "run": str(self.folder.folder), "step": state.step, "steps": self.learner.steps,
            "parameters": self.learner.parameters, **self._best(),
        }  # fmt: skip


def _identity(options: DiffuserOptions, hashes: dict[str, str]) -> dict[str, Any]:
    """What decides what is learnt, by names such as `unet.dropout` and `hash.null_state`: a run is resumed only where
    all of it agrees."""
    parts = {**options.sections(), "hash": hashes}
    flat = {f"{section}.{name}": value for section, values in parts.items() for name, value in values.items()}
    return {name: value for name, value in flat.items() if name not in run_state.FREE}


def _out_of_memory(options: TrainingParams, part: int, world: int, error: Exception) -> StageError:
    message = (
        f"out of memory with {part} samples at once: training.batch_size {options.batch_size} over {world} ranks and "
        f"{options.gradient_accumulation_steps} accumulation steps ({str(error).splitlines()[0]})"
    )
    hint = (
        "A larger training.gradient_accumulation_steps learns the same from fewer samples at once; "
        "training.gradient_checkpointing needs less memory and more time; or use a smaller training.batch_size."
    )
    return StageError("OUT_OF_MEMORY", message, hint)
