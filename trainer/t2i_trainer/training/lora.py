"""LoRA adapters (Hu et al. 2021, arXiv 2106.09685) on the attention projections of a UNet."""

import copy
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from safetensors.torch import save_file
from torch import Tensor, nn

from ..files import write_atomically
from ..networks.lora import LORA_FILE, MERGED


class LoraLinear(nn.Module):
    """A linear map W plus B A: equation 3 with alpha equal to the rank, so that it has no other scale. B starts
    at 0, and with it the change."""

    def __init__(self, base: nn.Linear, rank: int):
        super().__init__()
        self.base = base
        self.lora_A = nn.Linear(base.in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False)
        nn.init.normal_(self.lora_A.weight, std=1 / rank)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x))

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """The linear map that does the same, a new one."""
        one = copy.deepcopy(self.base)
        one.weight += self.lora_B.weight @ self.lora_A.weight
        return one


def add_adapters(unet: UNet2DConditionModel, rank: int) -> None:
    """Freezes the network and puts adapters on the queries, keys, values and outputs of every attention."""
    unet.requires_grad_(False)
    for module in [module for module in unet.modules() if isinstance(module, Attention)]:
        for name in ("to_q", "to_k", "to_v"):
            setattr(module, name, LoraLinear(getattr(module, name), rank))
        module.to_out[0] = LoraLinear(module.to_out[0], rank)


def has_adapters(unet: nn.Module) -> bool:
    return any(isinstance(module, LoraLinear) for module in unet.modules())


def merged(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """A copy of the network with the adapters baked into its own maps."""
    result = copy.deepcopy(unet)
    for name, adapter in [pair for pair in result.named_modules() if isinstance(pair[1], LoraLinear)]:
        result.set_submodule(name, adapter.merge())
    return result


def adapter_tensors(unet: nn.Module) -> dict[str, Tensor]:
    """The adapters by the names that diffusers' `load_lora_weights` reads, float32 on the CPU."""
    return {
        f"unet.{name}.{part}.weight": getattr(module, part).weight.detach().float().cpu().contiguous()
        for name, module in unet.named_modules()
        if isinstance(module, LoraLinear)
        for part in ("lora_A", "lora_B")
    }


def save_adapters(unet: nn.Module, folder: Path) -> None:
    """Writes `pytorch_lora_weights.safetensors`, which says that the weights beside it have these adapters already."""
    tensors, metadata = adapter_tensors(unet), {"format": "pt", MERGED: "true"}
    write_atomically(folder / LORA_FILE, lambda path: save_file(tensors, path, metadata=metadata))
