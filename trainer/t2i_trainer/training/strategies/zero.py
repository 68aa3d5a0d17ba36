"""Ranks that share the optimizer's state (ZeRO-1), the gradients too (ZeRO-2), or the weights as well (ZeRO-3), by
DeepSpeed (Rajbhandari et al. 2020, arXiv 1910.02054).

A rank optimizes and averages its own part of the float32 weights, flat tensors that DeepSpeed calls partitions. That,
with AdamW's state and the loss scale, is what it saves: DeepSpeed's own checkpoints are pickles, which run code as
they are read.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor, nn

from ...params import TrainingParams
from ...stage import Issue, StageError
from ..steps import count_parameters, parameter_groups
from . import Stepped, ranks
from .partitions import cut, whole_pieces

# Elements that are sent at once; DeepSpeed's 5e8 takes gigabytes of a GPU. No bucket is larger than all weights.
BUCKET = 50_000_000


class Zero:
    """Works on one rank too, where it shares nothing."""

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

    def prepare(self, unet: UNet2DConditionModel, options: TrainingParams) -> None:
        self.half = options.precision == "fp16"
        trained = count_parameters(weight for weight in unet.parameters() if weight.requires_grad)
        groups = [
            {"params": group["params"], "weight_decay": group["weight_decay"]}
            for group in parameter_groups(unet, options.weight_decay)
        ]
        with contextlib.redirect_stdout(sys.stderr):
            self.engine, self.optimizer, _, _ = self.deepspeed.initialize(
                model=unet,
                model_parameters=groups,
                config=deepspeed_config(self.stage, options, self.world, self.device, trained),
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
            "sizes": self._sizes(),
            "optimizer": adam,
            "scaler": {name: value for name, value in vars(scaler).items() if isinstance(value, bool | int | float)},
        }
        torch.save(state, folder / f"rank-{self.rank}.pt")

    @torch.no_grad()
    def load(self, folder: Path) -> None:
        states = [
            torch.load(path, map_location="cpu", mmap=True, weights_only=True) for path in _by_rank(folder, "*.pt")
        ]
        saved = [state["partitions"] for state in states]
        for partition, values in zip(self._partitions(), self._own(saved, states[0]["sizes"]), strict=True):
            partition.copy_(values)
        with self._own_groups():
            adam = self.optimizer.optimizer
            adam.load_state_dict({**adam.state_dict(), "state": self._own_moments(states)})
        vars(self.optimizer.loss_scaler).update(states[0]["scaler"])
        self.publish()

    def average_file(self) -> str:
        return f"ema-rank-{self.rank}.safetensors"

    def load_average(self, folder: Path) -> dict[str, Tensor]:
        files = _by_rank(folder, "*.safetensors")
        if len(files) == self.world:
            return load_file(files[self.rank], device=str(self.device))
        sizes = torch.load(folder / "rank-0.pt", map_location="cpu", mmap=True, weights_only=True)["sizes"]
        saved = [[file[str(number)] for number in range(len(file))] for file in map(load_file, files)]
        return {str(number): part.to(self.device) for number, part in enumerate(self._own(saved, sizes))}

    def _own_moments(self, states: list[dict[str, Any]]) -> dict[int, dict[str, Tensor]]:
        """AdamW's state of this rank's partitions, of what each rank wrote; empty before the first step."""
        adam = [state["optimizer"]["state"] for state in states]
        if not adam[0]:
            return {}
        moments = {
            name: self._own([[rank[i][name] for i in range(len(rank))] for rank in adam], states[0]["sizes"])
            for name in ("exp_avg", "exp_avg_sq")
        }
        return {
            number: {"step": adam[0][0]["step"].clone(), "exp_avg": mean.clone(), "exp_avg_sq": square.clone()}
            for number, (mean, square) in enumerate(zip(*moments.values(), strict=True))
        }

    def _own(self, saved: list[list[Tensor]], sizes: list[list[int]]) -> Iterable[Tensor]:
        """This rank's partitions of what each rank wrote, whose pieces have these sizes."""
        if len(saved) == self.world:
            return saved[self.rank]
        lengths = [partition.numel() for partition in self._partitions()]
        return cut(whole_pieces(saved, sizes), self._sizes(), lengths, self.rank, self.world)

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

    def _sizes(self) -> list[list[int]]:
        """Elements of the pieces that each partition is cut from; see `partitions`."""
        if self.stage == 3:
            return [[weight.ds_numel for weight in group] for group in self.optimizer.fp16_groups]
        groups = zip(self.optimizer.round_robin_bit16_groups, self.optimizer.round_robin_bit16_padding, strict=True)
        return [[sum(weight.numel() for weight in group) + sum(padding)] for group, padding in groups]


def _by_rank(folder: Path, kind: str) -> list[Path]:
    """The files of this kind that the ranks wrote into a checkpoint, in the order of the ranks."""
    return sorted(folder.glob(f"*rank-{kind}"), key=lambda path: int(path.stem.rpartition("-")[2]))


def deepspeed_config(
    stage: int, options: TrainingParams, world: int, device: torch.device, trained: int
) -> dict[str, Any]:
    """DeepSpeed's configuration for so many `trained` parameters. The learning rate is set at each step, so it has no
    scheduler of its own."""
    # Even, as DeepSpeed aligns what it gathers.
    bucket = min(BUCKET, trained + trained % 2)
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
            "reduce_bucket_size": bucket,
            "allgather_bucket_size": bucket,
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
    # It compiles optimizers that are not used here, for which each rank would load the compiler: two seconds.
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            import deepspeed
    except ImportError as error:
        hint = "Install deepspeed in the trainer's environment, or use training.strategy ddp."
        issue = Issue("training.strategy", "ddp without DeepSpeed", f"zero{stage}")
        raise StageError("OPTION_INVALID", f"DeepSpeed cannot be imported: {error}", hint, (issue,)) from error
    # Gloo does its work; it would be compiled when it is first used.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    return deepspeed
