"""One rank: the whole batch on one device."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...params import TrainingParams
from ..steps import parameter_groups, set_weights, trained_weights
from . import AVERAGE, Stepped

WEIGHTS, OPTIMIZER = "model.safetensors", "optimizer.pt"
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Single:
    """AdamW on the weights of a network, the forward pass under autocast; in fp16 the loss is scaled."""

    rank, world = 0, 1

    def __init__(self) -> None:
        self.device = self.own_device()

    def own_device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def prepare(self, unet: nn.Module, options: TrainingParams) -> None:
        self.averaged = unet.to(self.device)
        self.wrapped = self.wrap(unet)
        self.dtype, self.parts, self.clip = (
            DTYPES.get(options.precision), options.gradient_accumulation_steps, options.gradient_clipping
        )  # fmt: skip
        self.optimizer = torch.optim.AdamW(
            parameter_groups(unet, options.weight_decay), lr=options.unet_learning_rate, fused=True
        )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.precision == "fp16")

    def wrap(self, unet: nn.Module) -> nn.Module:
        return unet

    def network(self, noisy: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        return self.wrapped(noisy, timesteps, text, return_dict=False)[0]

    def autocast(self) -> contextlib.AbstractContextManager:
        return torch.autocast(self.device.type, self.dtype) if self.dtype else contextlib.nullcontext()

    def backward(self, loss: Callable[[], Tensor], last: bool) -> Tensor:
        with self.autocast():
            value = loss()
        self.scaler.scale(value / self.parts).backward()
        return value.detach()

    def step(self, learning_rate: float) -> Stepped:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.scaler.unscale_(self.optimizer)
        trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(trained, self.clip)
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        # The scale falls when, and only when, the step was left out.
        return Stepped(self.scaler.get_scale() >= before, norm.detach())

    def total(self, tensor: Tensor) -> Tensor:
        return tensor

    def barrier(self) -> None:
        pass

    def publish(self) -> None:
        pass

    def whole(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    def save(self, folder: Path) -> None:
        if self.rank == 0:
            save_file(trained_weights(self.averaged), folder / WEIGHTS)
            state = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
            torch.save(state, folder / OPTIMIZER)

    def load(self, folder: Path) -> None:
        set_weights(self.averaged, load_file(folder / WEIGHTS, device=str(self.device)))
        state = torch.load(folder / OPTIMIZER, map_location=self.device, weights_only=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    def average_file(self) -> str | None:
        return AVERAGE if self.rank == 0 else None

    def load_average(self, folder: Path) -> dict[str, Tensor]:
        return load_file(folder / AVERAGE, device=str(self.device))

    def close(self) -> None:
        pass
