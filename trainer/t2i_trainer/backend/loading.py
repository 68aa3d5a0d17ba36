"""A model for the backend: from safetensors in diffusers' layout, or out of the graphs that our own exporter wrote."""

from pathlib import Path

import torch

from ..networks.model_folder import FURTHER_INPUTS, Networks, contradictions, load_model
from ..networks.weights import as_invalid
from ..stage import StageError

# The denoiser may take the guidance scale: the job brings it.
FURTHER = {key: values for key, values in FURTHER_INPUTS.items() if key != "time_cond_proj_dim"}

DAMAGED = "Export or download the model again, or name another one with --model."
OTHER_GRAPHS = (
    "The backend pytorch reads the parameters out of graphs that `t2i export` wrote, and no others: give the directory "
    "that has the weights in safetensors."
)


def load(folder: Path, weights: str, image_size: tuple[int, int]) -> Networks:
    """The networks of a model directory that the SDK checked, frozen, float32, on the CPU.

    `weights` is `safetensors` or `onnx`, `image_size` the model's own height and width in pixels. Raises StageError
    MODEL_INVALID.
    """
    if weights == "onnx":
        # A second of imports that weights of PyTorch do without.
        from ..onnx.read_back import load_networks

        with as_invalid(f"{folder}: PyTorch cannot load the model", OTHER_GRAPHS):
            return load_networks(folder)
    with as_invalid(f"{folder}: PyTorch cannot load the model", DAMAGED):
        issues = tuple(contradictions(folder, FURTHER))
        if issues:
            words = "; ".join(
                f"{issue.option}: expected {issue.expected}, received {issue.received}" for issue in issues
            )
            raise StageError("MODEL_INVALID", f"The model cannot be used: {words}", DAMAGED, issues)
        return load_model(folder, image_size)


def choose_device(index: int) -> torch.device:
    """The GPU of that number where torch has any, else the CPU; raises StageError BACKEND_UNAVAILABLE."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if index >= count:
        raise StageError(
            "BACKEND_UNAVAILABLE", f"there is no GPU {index}: PyTorch sees {count}", "Name another --device."
        )
    # Convolutions in TF32 keep ten bits: further from the other backends than their tolerance.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda", index)
