"""Networks as files: weights as safetensors in float32, and their configuration, written whole or not at all."""

import json
from pathlib import Path

from diffusers import ModelMixin
from safetensors.torch import save_file
from torch import Tensor, nn

from ..files import write_atomically, write_json


def save_weights(module: nn.Module, path: Path) -> None:
    """Writes everything that `module.load_state_dict` takes, from whatever device and precision it is in."""
    tensors = {name: _plain(tensor) for name, tensor in module.state_dict().items()}
    write_atomically(path, lambda temporary: save_file(tensors, temporary))


def save_config(module: ModelMixin, folder: Path) -> None:
    """Writes `config.json`, without the place that the network was loaded from."""
    config = json.loads(module.to_json_string())
    write_json(folder / "config.json", {name: value for name, value in config.items() if name != "_name_or_path"})


def _plain(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
