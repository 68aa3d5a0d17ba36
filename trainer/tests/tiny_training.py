"""A UNet and samples so small that a step of training takes milliseconds."""

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from t2i_trainer.params import Params
from t2i_trainer.training.check import read_options
from t2i_trainer.training.loop import train_diffuser
from t2i_trainer.training.options import DiffuserOptions
from t2i_trainer.training.samples import TensorSamples

UNET = {
    "image_size": [8, 8], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "block_out_channels": [8, 16], "layers_per_block": 1,
    "norm_num_groups": 4, "cross_attention_dim": 16, "attention_head_dim": 2,
}  # fmt: skip
TRAINING = {
    "batch_size": 4, "num_epochs": 4, "warmup_steps": 2, "unet_learning_rate": 1e-3, "checkpoint_steps": 2,
    "strategy": "ddp", "precision": "fp32", "patience": None,
}  # fmt: skip


def resolved(sections: dict[str, dict[str, Any]]) -> Params:
    """The parameters with these sections, as the command line hands them over."""
    return Params.model_validate_json(json.dumps(sections))


def params(
    schedule: dict[str, Any] | None = None, unet: dict[str, Any] | None = None, workers: int = 0, **training: Any
) -> Params:
    """Parameters of a project, those of a tiny training with these changed."""
    return resolved(
        {
            "unet": {**UNET, **(unet or {})},
            "DDPMScheduler": schedule or {},
            "training": {**TRAINING, **training},
            "data": {"num_workers": workers},
        }
    )


def options_of(given: Params, world: int = 1) -> DiffuserOptions:
    """The options of a training whose folders have absolute paths."""
    return read_options(Path(), given, world)


def tiny_samples(count: int, seed: int = 0, std: bool = False) -> TensorSamples:
    """Latents [4, 8, 8] and text states [3, 16], drawn at random."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=draw)

    null = torch.randn(3, 16, generator=torch.Generator().manual_seed(99))
    return TensorSamples(
        normal(count, 4, 8, 8), normal(count, 4, 8, 8).abs() if std else None, normal(count, 3, 16), null
    )


def run(out: Path, given: Params | None = None, tracker=None, ranks: int = 1, count: int = 8) -> dict[str, Any]:
    """A training into `out` on `count` samples and 6 for validation."""
    return train_diffuser(
        options_of(given or params(), ranks), tiny_samples(count), tiny_samples(6, seed=1), out, tracker
    )


def weights(out: Path) -> dict[str, torch.Tensor]:
    """What a training left in `unet/`."""
    return load_file(out / "unet" / "diffusion_pytorch_model.safetensors")


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of weights of the same names."""
    assert one.keys() == other.keys()
    return max((one[name] - other[name]).abs().max().item() for name in one)


def forked(work: Callable[[], object], **environment: str) -> int:
    """Starts a process that does `work`, and returns its id. It ends with 0, or 1 after an exception."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.environ.update(environment)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    """Waits for a process; its exit code, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked_ranks(world: int, work: Callable[[int], object]) -> None:
    """Does `work` in as many processes, which get what torchrun tells processes; all must end well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    children = [
        forked(lambda rank=rank: work(rank), RANK=str(rank), LOCAL_RANK=str(rank), **common) for rank in range(world)
    ]
    assert [ended(child) for child in children] == [0] * world
