"""What this machine and so many ranks cannot train, all of it at once, before any data is read.

Rules between parameters are kept by whoever read them (src/ops/params/check.ts).
"""

from collections.abc import Iterable
from pathlib import Path

import torch

from ..params import Params, TrainingParams
from ..stage import Issue, StageError
from .options import DiffuserOptions

# bf16 arithmetic came with this compute capability (Ampere).
BF16_CAPABILITY = (8, 0)


def read_options(project: Path, params: Params, world: int) -> DiffuserOptions:
    """The options of a training by `world` ranks; raises StageError with everything that stands against it."""
    unet = params.unet
    if unet.init_from is not None:
        unet = unet.model_copy(update={"init_from": str(project / unet.init_from)})
    refuse([*_folder(unet.init_from), *_ranks(params.training, world), *_precision(params.training)])
    return DiffuserOptions(unet, params.DDPMScheduler, params.training, params.data.num_workers)


def refuse(issues: Iterable[Issue]) -> None:
    """Raises StageError where there is anything to refuse."""
    if found := tuple(issues):
        raise StageError("OPTION_INVALID", "invalid training options", "Correct them in params.yaml.", found)


def precision_issues(precision: str, capability: tuple[int, int] | None) -> Iterable[Issue]:
    """What stands against a precision on a GPU of this compute capability; None is the CPU."""
    if precision == "bf16" and capability is not None and capability < BF16_CAPABILITY:
        received = f"bf16 on a GPU of compute capability {capability[0]}.{capability[1]}, which has no bf16 arithmetic"
        yield Issue("training.precision", "fp16 or fp32", received)


def gpu_capability() -> tuple[int, int] | None:
    """The compute capability of the GPU that is trained on, or None for the CPU."""
    return torch.cuda.get_device_capability() if torch.cuda.is_available() else None


def _folder(init_from: str | None) -> Iterable[Issue]:
    if init_from is not None and not (Path(init_from) / "unet" / "config.json").is_file():
        yield Issue("unet.init_from", "a diffusers folder with unet/config.json", init_from)


def _ranks(training: TrainingParams, world: int) -> Iterable[Issue]:
    parts = world * training.gradient_accumulation_steps
    if training.batch_size % parts:
        expected = (
            f"a multiple of {parts}: {world} ranks times {training.gradient_accumulation_steps} accumulation steps"
        )
        yield Issue("training.batch_size", expected, f"{training.batch_size}")


def _precision(training: TrainingParams) -> Iterable[Issue]:
    capability = gpu_capability()
    if training.strategy.startswith("zero") and training.precision == "fp16" and capability is None:
        yield Issue("training.precision", "fp32 or bf16, which DeepSpeed computes on a CPU", "fp16")
    yield from precision_issues(training.precision, capability)
