"""Weights as files: safetensors, float32, written whole or not at all."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from ..files import write_atomically


def save_weights(module: nn.Module, path: Path) -> None:
    """Writes everything that `module.load_state_dict` takes, from whatever device and precision it is in."""
    tensors = {name: _plain(tensor) for name, tensor in module.state_dict().items()}
    write_atomically(path, lambda temporary: save_file(tensors, temporary))


def _plain(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
