"""The way back from a model directory to PyTorch: parameters by their names out of the exported graphs.

For benchmarks and comparisons on the very weights that ship, where no training run is at hand.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from onnx import numpy_helper
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..evaluation.sampling import Run
from ..files import read_json
from ..networks.autoencoder import TinyAutoencoder
from ..networks.denoiser import unet_class
from ..networks.model_folder import Networks
from ..networks.sketch import Sketch
from ..networks.text_encoder import TextEncoder


def load_parameters(module: nn.Module, graph: Path, prefix: str) -> None:
    """Fills `module` from the initialisers of `graph` that are named `prefix` + parameter, as float32.

    ValueError names the parameters that the graph lacks.
    """
    model = onnx.load(str(graph))
    values = {tensor.name.removesuffix(".fp16"): numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    wanted = {name: parameter.shape for name, parameter in module.named_parameters()}
    missing = [name for name, shape in wanted.items() if values.get(prefix + name, np.empty(0)).shape != shape]
    if missing:
        raise ValueError(f"{graph}: no weights of the right shape for {len(missing)} parameters, first {missing[0]}")
    state = {name: torch.from_numpy(values[prefix + name].astype(np.float32)) for name in wanted}
    module.load_state_dict(state, strict=False)


def load_model_directory(folder: Path) -> Run:
    """A model directory that `export.py` wrote, with tokenizer and scheduler, in float32 on the CPU."""
    networks = load_networks(folder)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    return Run(tokenizer, *networks, DDIMScheduler.from_pretrained(folder / "scheduler"), "cpu")


def load_networks(folder: Path) -> Networks:
    """The networks of a model directory that `export.py` wrote, frozen, in float32 on the CPU."""
    clip = CLIPTextModel(CLIPTextConfig(**read_json(folder / "text_encoder/config.json")))
    sketch = folder / "text_encoder/sketch.json"
    text_encoder = TextEncoder(clip, Sketch(**read_json(sketch))) if sketch.exists() else clip
    unet = unet_class(folder / "unet").from_config(read_json(folder / "unet/config.json"))
    vae = new_autoencoder(read_json(folder / "vae_decoder/config.json"))
    load_parameters(text_encoder, folder / "text_encoder/model.onnx", "clip.")
    load_parameters(unet, folder / "unet/model.onnx", "unet.")
    for name, part in vae.named_children():
        if name in ("decoder", "post_quant_conv", "synthesis"):
            load_parameters(part, folder / "vae_decoder/model.onnx", f"vae.{name}.")
    for module in (text_encoder, unet, vae):
        module.eval().requires_grad_(False)
    return Networks(text_encoder, unet, vae)


def new_autoencoder(config: dict) -> nn.Module:
    """Our autoencoder or diffusers' own, untrained."""
    if "block_out_channels" in config:
        return AutoencoderKL.from_config(config)
    return TinyAutoencoder(
        config["latent_channels"], tuple(config["channels"]), tuple(config["blocks"]), config["scaling_factor"]
    )
