"""LoRA adapters (Hu et al. 2021, arXiv 2106.09685) of a file in diffusers' form, baked into the weights."""

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ..stage import Issue, StageError

LORA_FILE = "pytorch_lora_weights.safetensors"
# Of a file whose adapters are in the weights beside it already, and which is there for others to use.
MERGED = "merged"
ENDS = (".lora_A.weight", ".lora_B.weight", ".alpha")


def bake_adapters(unet: nn.Module, file: Path) -> int:
    """Adds alpha / rank * B A (equation 3) to each weight that has an adapter, and returns how many have one; none
    where the file's metadata say that they are in the weights already. alpha is the rank where the file has none.

    Raises StageError MODEL_INVALID, before it changes anything, with every key that has no place in `unet`.
    """
    with safe_open(file, "pt") as opened:
        if (opened.metadata() or {}).get(MERGED) == "true":
            return 0
        tensors = {key: opened.get_tensor(key).float() for key in opened.keys()}  # noqa: SIM118
    modules = dict(unet.named_modules())
    names = {key.removesuffix(".lora_A.weight") for key in tensors if key.endswith(".lora_A.weight")}
    unknown = [
        Issue(f"{file}: {key}", "a pair of unet.MODULE.lora_A.weight and .lora_B.weight that fits the denoiser", shape)
        for key, shape in ((key, str(list(tensor.shape))) for key, tensor in tensors.items())
        if not _has_place(key, names, modules, tensors)
    ]
    if unknown:
        message = f"{file}: {len(unknown)} adapters do not fit the denoiser beside them"
        raise StageError(
            "MODEL_INVALID", message, "Use the adapters that this denoiser was trained with.", tuple(unknown)
        )
    for name in names:
        weight = modules[name.removeprefix("unet.")].weight
        with torch.no_grad():
            weight += _change(tensors, name).reshape(weight.shape)
    return len(names)


def _has_place(key: str, names: set[str], modules: dict[str, nn.Module], tensors: dict[str, Tensor]) -> bool:
    name = next(
        (key.removesuffix(end) for end in (".lora_A.weight", ".lora_B.weight", ".alpha") if key.endswith(end)), ""
    )
    module = modules.get(name.removeprefix("unet.")) if name.startswith("unet.") else None
    if name not in names or f"{name}.lora_B.weight" not in tensors or not isinstance(module, nn.Linear | nn.Conv2d):
        return False
    down, up = tensors[f"{name}.lora_A.weight"].flatten(1), tensors[f"{name}.lora_B.weight"].flatten(1)
    rows, columns = module.weight.flatten(1).shape
    return up.shape == (rows, down.shape[0]) and down.shape[1] == columns


def _change(tensors: dict[str, Tensor], name: str) -> Tensor:
    down, up = tensors[f"{name}.lora_A.weight"].flatten(1), tensors[f"{name}.lora_B.weight"].flatten(1)
    rank = down.shape[0]
    alpha = tensors.get(f"{name}.alpha", torch.tensor(float(rank)))
    return alpha / rank * (up @ down)
