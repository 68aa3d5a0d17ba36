"""The networks of a model folder, each exported to its graphs over one file of weights, behind the parity gate."""

import copy
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from onnx import TensorProto
from torch import nn
from transformers import CLIPTextModel

from ..networks.autoencoder import TinyAutoencoder, compression_factor, load_autoencoder
from ..networks.denoiser import latent_size, load_unet
from ..networks.text_encoder import TextEncoder, count_states, load_text_encoder
from .export import (
    OPSET,
    Graph,
    export_graph,
    text_encoder_graph,
    unet_graph,
    vae_decoder_graph,
    vae_encoder_graph,
)
from .half import half_compute
from .parity import ParityError, Tolerance, judge, measure
from .weights import half_weights, write_with_shared_weights

FLOAT32, FLOAT16, BFLOAT16 = "model.onnx", "model.fp16.onnx", "model.bf16.onnx"
# Arithmetic in 16 bits is judged by direction and by the image: the size of its error depends on the scale of an
# output. bf16 too: it rounds 8 times as much as fp16, over a hundred operations by half of what this admits.
HALF_TOLERANCE = Tolerance(None, 0.999)
# Of the float32 graphs. The denoiser is the deepest, so its rounding errors add up to more.
FLOAT32_TOLERANCE, DENOISER_TOLERANCE = Tolerance(1e-3, 0.9999), Tolerance(2e-3, 0.9999)


@dataclass(frozen=True)
class Component:
    """One of the networks, in the folder of the trained model and in the model directory."""

    source: str
    target: str
    module: nn.Module
    graph: Callable[[nn.Module], Graph]
    tolerance: Tolerance
    """Of the float32 graph."""
    granularity: int = 1
    """Widths of the inputs are multiples of it."""
    may_overflow: bool = False
    """Whether its activations may leave the range of fp16, as those of some decoders do: it has a graph in bf16 too,
    unless that one fails the gate. onnxruntime's CPU widens fp16 on the way, so only a GPU sees whether they do."""

    def rounded(self) -> Graph:
        """The network with weights that fp16 holds exactly, as both graphs compute with."""
        return self.graph(copy.deepcopy(self.module).half().float().eval())


def components_of(
    text: TextEncoder | CLIPTextModel, unet: UNet2DConditionModel, vae: TinyAutoencoder | AutoencoderKL,
    with_encoder: bool = False,
) -> list[Component]:  # fmt: skip
    """The parts of a model, float32 on the CPU; the encoder of its autoencoder only where it is asked for."""
    states, (height, width), factor = count_states(text), latent_size(unet), compression_factor(vae)
    channels, step = unet.config.in_channels, 2 ** (len(unet.config.block_out_channels) - 1)
    pixels = (height * factor, width * factor)
    parts = [
        Component("text_encoder", "text_encoder", text, text_encoder_graph, FLOAT32_TOLERANCE),
        Component("unet", "unet", unet, lambda module: unet_graph(module, states), DENOISER_TOLERANCE, step),
        Component(
            "vae",
            "vae_decoder",
            vae,
            lambda module: vae_decoder_graph(module, channels, (height, width)),
            FLOAT32_TOLERANCE,
            step,
            may_overflow=True,
        ),
    ]
    if with_encoder:
        encoder = Component(
            "vae",
            "vae_encoder",
            vae,
            lambda module: vae_encoder_graph(module, pixels),
            FLOAT32_TOLERANCE,
            step * factor,
        )
        parts.append(encoder)
    return parts


def load_components(folder: Path) -> list[Component]:
    """The networks that draw, of a folder in diffusers' layout."""
    return components_of(
        load_text_encoder(folder / "text_encoder"), load_unet(folder / "unet"), load_autoencoder(folder / "vae")
    )


def export_component(part: Component, source: Path, target: Path, opset: int = OPSET) -> dict:
    """Writes the graphs and the configuration; returns what the gate measured, by path, or why a graph in bf16 was left
    out, as `leftOut`. Raises ParityError for any other that fails."""
    folder = target / part.target
    folder.mkdir(parents=True)
    for name in ("config.json", "sketch.json"):
        if (source / part.source / name).exists():
            shutil.copy(source / part.source / name, folder)
    original, rounded = part.graph(part.module.eval()), part.rounded()
    float32 = half_weights(export_graph(rounded, folder / FLOAT32, opset))
    graphs = {FLOAT32: float32, FLOAT16: half_compute(float32)}
    if part.may_overflow:
        graphs[BFLOAT16] = half_compute(float32, TensorProto.BFLOAT16)
    write_with_shared_weights(graphs, folder)
    result: dict[str, dict] = {}
    for file in graphs:
        name = f"{part.target}/{file}"
        parity = measure(folder / file, rounded, original.module, part.granularity)
        try:
            result[name] = judge(name, parity, part.tolerance if file == FLOAT32 else HALF_TOLERANCE)
        except ParityError as error:
            if file != BFLOAT16:
                raise
            (folder / file).unlink()
            result[name] = {"leftOut": str(error)}
        print(f"{name}: {json.dumps(result[name])}", file=sys.stderr)
    return result
