"""Ranks that share the optimizer's state (ZeRO-1), the gradients too (ZeRO-2), or the weights as well (ZeRO-3), by
DeepSpeed (Rajbhandari et al. 2020, arXiv 1910.02054).

A rank optimizes and averages its own part of the float32 weights, flat tensors that DeepSpeed calls partitions. That,
with AdamW's state and the loss scale, is what it saves: DeepSpeed's own checkpoints are pickles, which run code as
they are read.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from ...stage import Issue, StageError
from ..options import TrainingOptions
from ..steps import parameter_groups
from . import Stepped, ranks

# Elements that are sent at once; DeepSpeed's 5e8 takes gigabytes of a GPU.
BUCKET = 50_000_000


class Zero:
    """Works on one rank too, where it shares nothing."""

    resumes_at = "same"

    def __init__(self, stage: int):
        """Raises StageError where DeepSpeed is not installed or the process was not started by torchrun."""
        self.stage = stage
        if "RANK" not in os.environ:
            hint = "Start it by torchrun --standalone --nproc_per_node N, or use training.strategy ddp."
            issue = Issue("training.strategy", "single or ddp without torchrun", f"zero{stage}")
            raise StageError("OPTION_INVALID", "ZeRO needs ranks", hint, (issue,))
        self.deepspeed = _deepspeed(stage)
        self.device = ranks.own_device()
        self.rank, self.world = ranks.join(self.device)

    def prepare(self, unet: UNet2DConditionModel, options: TrainingOptions) -> None:
        self.half = options.precision == "fp16"
        groups = [
            {"params": group["params"], "weight_decay": group["weight_decay"]}
            for group in parameter_groups(unet, options.weight_decay)
        ]
        with contextlib.redirect_stdout(sys.stderr):
            self.engine, self.optimizer, _, _ = self.deepspeed.initialize(
                model=unet,
                model_parameters=groups,
                config=deepspeed_config(self.stage, options, self.world, self.device),
            )
        # The loop tells when it is hopeless to lower the loss scale further.
        self.optimizer.loss_scaler.raise_error_at_min_scale = False
        self.averaged: nn.Module = nn.ParameterList(self._partitions())

    def network(self, noisy: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        dtype = torch.float16 if self.half else torch.float32
        return self.engine(noisy.to(dtype), timesteps, text.to(dtype), return_dict=False)[0]

    def autocast(self) -> contextlib.AbstractContextManager:
        """The engine does it."""
        return contextlib.nullcontext()

    def backward(self, loss: Callable[[], Tensor], last: bool) -> Tensor:
        value = loss()
        self.engine.backward(value)
        if not last:
            # Tells the engine that another part comes.
            self.engine.step()
        return value.detach()

    def step(self, learning_rate: float) -> Stepped:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.engine.step()
        return Stepped(self.engine.was_step_applied(), torch.as_tensor(self.engine.get_global_grad_norm()).detach())

    def total(self, tensor: Tensor) -> Tensor:
        return ranks.total(tensor)

    def barrier(self) -> None:
        ranks.barrier()

    def publish(self) -> None:
        if self.stage < 3:
            self.optimizer.update_lp_params()
            return
        # Weights that are gathered at the moment would stay what they were.
        self.optimizer.empty_partition_cache()
        for number in range(len(self._partitions())):
            self.optimizer._reassign_or_swap_out_partitioned_parameters(number)

    def whole(self) -> contextlib.AbstractContextManager:
        if self.stage < 3:
            return contextlib.nullcontext()
        return self.deepspeed.zero.GatheredParameters(list(self.engine.module.parameters()))

    def save(self, folder: Path) -> None:
        scaler = self.optimizer.loss_scaler
        with self._own_groups():
            adam = self.optimizer.optimizer.state_dict()
        state = {
            "partitions": [partition.detach() for partition in self._partitions()],
            "optimizer": adam,
            "scaler": {name: value for name, value in vars(scaler).items() if isinstance(value, bool | int | float)},
        }
        torch.save(state, folder / f"rank-{self.rank}.pt")

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        state = torch.load(folder / f"rank-{self.rank}.pt", map_location=self.device, weights_only=True)
        for partition, saved in zip(self._partitions(), state["partitions"], strict=True):
            partition.copy_(saved)
        with self._own_groups():
            self.optimizer.optimizer.load_state_dict(state["optimizer"])
        vars(self.optimizer.loss_scaler).update(state["scaler"])
        self.publish()

    def average_file(self) -> str:
        return f"ema-rank-{self.rank}.safetensors"

    def close(self) -> None:
        ranks.leave()

    @contextlib.contextmanager
    def _own_groups(self) -> Iterator[None]:
        """Inside it AdamW knows the partitions it optimizes: between steps ZeRO-3 takes them from it."""
        if self.stage == 3:
            self.optimizer._set_fp32_optimizer_param_groups()
        yield
        if self.stage == 3:
            self.optimizer._clear_fp32_optimizer_param_groups()

    def _partitions(self) -> list[Tensor]:
        if self.stage < 3:
            return self.optimizer.single_partition_of_fp32_groups
        return self.optimizer.fp32_partitioned_groups_flat


def deepspeed_config(stage: int, options: TrainingOptions, world: int, device: torch.device) -> dict[str, Any]:
    """DeepSpeed's configuration. The learning rate is set at each step, so it has no scheduler of its own."""
    parts = options.gradient_accumulation_steps
    config: dict[str, Any] = {
        "train_batch_size": options.batch_size,
        "train_micro_batch_size_per_gpu": options.batch_size // (world * parts),
        "gradient_accumulation_steps": parts,
        "gradient_clipping": options.gradient_clipping,
        "steps_per_print": sys.maxsize,
        "zero_optimization": {
            "stage": stage,
            "overlap_comm": device.type == "cuda",
            "contiguous_gradients": True,
            "reduce_bucket_size": BUCKET,
            "allgather_bucket_size": BUCKET,
            # Every weight is cut, so that its part alone is what a rank knows.
            "stage3_param_persistence_threshold": 0,
        },
        # torch's AdamW, since DeepSpeed's own is compiled when it is first used.
        "optimizer": {"type": "AdamW", "params": {"lr": options.unet_learning_rate, "torch_adam": True}},
    }
    if options.precision == "bf16":
        config["torch_autocast"] = {"enabled": True, "dtype": "bfloat16"}
    if options.precision == "fp16":
        # Not torch_autocast, which clips gradients before it has taken the loss scale out of them.
        config["fp16"] = {"enabled": True, "loss_scale": 0, "initial_scale_power": 16, "hysteresis": 1}
    return config


def _deepspeed(stage: int) -> Any:
    """The module, its log on standard error: standard output is for events."""
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
        os.environ.setdefault("LOCAL_SIZE", os.environ["WORLD_SIZE"])
    try:
        with contextlib.redirect_stdout(sys.stderr):
            import deepspeed
    except ImportError as error:
        hint = "Install deepspeed in the trainer's environment, or use training.strategy ddp."
        issue = Issue("training.strategy", "single or ddp without DeepSpeed", f"zero{stage}")
        raise StageError("OPTION_INVALID", f"DeepSpeed cannot be imported: {error}", hint, (issue,)) from error
    # Gloo does its work; it would be compiled when it is first used.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
