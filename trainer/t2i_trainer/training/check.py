"""What is wrong with the options of a training, all of it at once, before any data is read."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from ..sections import read_section
from ..stage import Issue, StageError, warn
from .options import DiffuserOptions, ScheduleOptions, TrainingOptions, UNetOptions

# bf16 arithmetic came with this compute capability (Ampere).
BF16_CAPABILITY = (8, 0)


def read_options(params: dict[str, dict[str, Any]], world: int) -> DiffuserOptions:
    """The options in the sections `unet`, `DDPMScheduler` and `training` for `world` ranks; raises StageError with
    every mistake."""
    unet, wrong = read_section(UNetOptions, "unet", params.get("unet", {}))
    schedule, more = read_section(ScheduleOptions, "DDPMScheduler", params.get("DDPMScheduler", {}))
    training, most = read_section(TrainingOptions, "training", params.get("training", {}))
    issues = [*wrong, *more, *most]
    # A section that cannot be read does not hide what is wrong with the others.
    issues += _unet(unet) if unet else []
    issues += _schedule(schedule) if schedule else []
    issues += _training(training, world, gpu_capability()) if training else []
    if unet and training and training.lora_rank is not None and unet.init_from is None:
        issues.append(Issue("unet.init_from", "a diffusers folder, which training.lora_rank adapts", "none"))
    if unet is None or schedule is None or training is None or issues:
        raise StageError("OPTION_INVALID", "invalid training options", "Correct them in params.yaml.", tuple(issues))
    _warn_of_heads(unet)
    return DiffuserOptions(unet, schedule, training)


def precision_issues(precision: str, capability: tuple[int, int] | None) -> Iterable[Issue]:
    """What stands against a precision on a GPU of this compute capability; None is the CPU."""
    if precision == "bf16" and capability is not None and capability < BF16_CAPABILITY:
        received = f"bf16 on a GPU of compute capability {capability[0]}.{capability[1]}, which has no bf16 arithmetic"
        yield Issue("training.precision", "fp16 or fp32", received)


def run_name_issues(option: str, name: str) -> Iterable[Issue]:
    """What stands against the name of a run's folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        yield Issue(option, "letters, digits, dots, hyphens and underscores", name)


def gpu_capability() -> tuple[int, int] | None:
    """The compute capability of the GPU that is trained on, or None for the CPU."""
    return torch.cuda.get_device_capability() if torch.cuda.is_available() else None


def _unet(unet: UNetOptions) -> Iterable[Issue]:
    if unet.init_from is not None:
        if not (Path(unet.init_from) / "unet" / "config.json").is_file():
            yield Issue("unet.init_from", "a diffusers folder with unet/config.json", unet.init_from)
        return
    levels = len(unet.block_out_channels)
    if levels == 0:
        yield Issue("unet.block_out_channels", "at least one level", "none")
        return
    lists = {"down_block_types": unet.down_block_types, "up_block_types": unet.up_block_types}
    numbers = {"layers_per_block": unet.layers_per_block, "attention_head_dim": unet.attention_head_dim}
    for name, value in {**lists, **{k: v for k, v in numbers.items() if isinstance(v, tuple)}}.items():
        if len(value) != levels:
            yield Issue(f"unet.{name}", f"{levels} parts, as block_out_channels has", f"{len(value)}")
    for channels in unet.block_out_channels:
        if channels % unet.norm_num_groups:
            yield Issue(
                "unet.block_out_channels", f"multiples of norm_num_groups, {unet.norm_num_groups}", f"{channels}"
            )
    if unet.in_channels != unet.out_channels:
        yield Issue("unet.out_channels", f"as many as in_channels, {unet.in_channels}", f"{unet.out_channels}")
    if len(unet.image_size) != 2 or any(side % 2 ** (levels - 1) for side in unet.image_size):
        expected = f"height and width, multiples of {2 ** (levels - 1)} for {levels} levels"
        yield Issue("unet.image_size", expected, f"{list(unet.image_size)}")


def _schedule(schedule: ScheduleOptions) -> Iterable[Issue]:
    if schedule.rescale_betas_zero_snr and schedule.prediction_type != "v_prediction":
        # Nothing of the latents is left at the last timestep: to tell the noise from it teaches nothing.
        yield Issue(
            "DDPMScheduler.prediction_type", "v_prediction, which rescale_betas_zero_snr needs",
            schedule.prediction_type,
        )  # fmt: skip
    if schedule.beta_start >= schedule.beta_end:
        yield Issue(
            "DDPMScheduler.beta_end", f"more than beta_start, {schedule.beta_start:g}", f"{schedule.beta_end:g}"
        )


def _training(training: TrainingOptions, world: int, capability: tuple[int, int] | None) -> Iterable[Issue]:
    yield from run_name_issues("mlflow.run_name", training.run_name)
    parts = world * training.gradient_accumulation_steps
    if training.batch_size % parts:
        expected = (
            f"a multiple of {parts}: {world} ranks times {training.gradient_accumulation_steps} accumulation steps"
        )
        yield Issue("training.batch_size", expected, f"{training.batch_size}")
    if training.strategy == "single" and world > 1:
        yield Issue("training.strategy", f"ddp, zero1, zero2 or zero3 for {world} ranks", "single")
    if training.min_delta and training.patience is None:
        yield Issue("training.patience", "a number of validations, which min_delta needs", "none")
    if training.strategy.startswith("zero") and training.precision == "fp16" and capability is None:
        yield Issue("training.precision", "fp32 or bf16, which DeepSpeed computes on a CPU", "fp16")
    if training.strategy == "zero3" and training.lora_rank is not None:
        yield Issue("training.strategy", "ddp, zero1 or zero2 with lora_rank", "zero3")
    yield from precision_issues(training.precision, capability)


def _warn_of_heads(unet: UNetOptions) -> None:
    """A remainder is no mistake: diffusers makes every head narrower. It is hardly what was meant, though."""
    heads = unet.attention_head_dim
    counts = heads if isinstance(heads, tuple) else (heads,) * len(unet.block_out_channels)
    for channels, count in zip(unet.block_out_channels, counts, strict=True):
        if channels % count and unet.init_from is None:
            width = channels // count
            warn(f"unet.attention_head_dim: {count} heads do not divide {channels} channels; each has {width}")
