"""Networks as files: weights as safetensors in float32, and their configuration, whole or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import ModelMixin
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from ..files import write_atomically, write_json
from ..stage import Issue, StageError


def save_weights(module: nn.Module, path: Path) -> None:
    """Writes everything that `module.load_state_dict` takes, from whatever device and precision it is in."""
    tensors = {name: _plain(tensor) for name, tensor in module.state_dict().items()}
    write_atomically(path, lambda temporary: save_file(tensors, temporary))


def save_config(module: ModelMixin, folder: Path) -> None:
    """Writes `config.json`, without the place that the network was loaded from."""
    config = json.loads(module.to_json_string())
    write_json(folder / "config.json", {name: value for name, value in config.items() if name != "_name_or_path"})


@contextmanager
def as_invalid(problem: str, hint: str) -> Iterator[None]:
    """Raises StageError MODEL_INVALID with `problem` for what libraries raise over files that they cannot make sense
    of; that memory is short is no fault of the files."""
    try:
        yield
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise
        reason = str(error).strip().split("\n")[0]
        raise StageError("MODEL_INVALID", f"{problem}: {reason}", hint) from error


def load_whole(kind: Any, folder: Path) -> Any:
    """The network of class `kind`, of diffusers or transformers, that a folder holds; from safetensors alone: without
    them these libraries would unpickle.

    Raises StageError MODEL_INVALID where weights are missing, which they would fill with random numbers.
    """
    network, info = kind.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing:
        issues = tuple(Issue(f"{folder}: {name}", "weights", "none") for name in missing)
        message = f"{folder}: {len(missing)} weights of {kind.__name__} are missing, first {missing[0]}"
        raise StageError("MODEL_INVALID", message, "Copy or download the model again.", issues)
    return network


def _plain(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
