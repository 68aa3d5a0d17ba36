"""The graphs of a model: wrappers with the names of their inputs, and the export to ONNX, opset 17 unless asked.

torch's dynamo exporter starts at opset 18 and converts downwards without a promise to arrive; the TorchScript path
truly writes 17. `export_graph` checks the result instead of trusting it.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from onnx import version_converter
from torch import Tensor, nn
from transformers import CLIPTextModel

from ..networks.autoencoder import TinyAutoencoder
from ..networks.denoiser import latent_size

OPSET = 17
# The newest that the TorchScript path writes; later ones are converted from it.
NEWEST_TRACED_OPSET = 20


class TextEncoder(nn.Module):
    """input_ids [batch, context] -> last_hidden_state [batch, states, width]; as many states as ids, and those of a
    sketch where there is one.

    No attention mask, as Stable Diffusion passes none.
    """

    def __init__(self, clip: nn.Module):
        super().__init__()
        self.clip = clip

    def forward(self, input_ids: Tensor) -> Tensor:
        states = self.clip(input_ids)
        return states if isinstance(states, Tensor) else states[0]


class Unet(nn.Module):
    """sample [batch, channels, height, width], timestep [1], encoder_hidden_states [batch, context, width] -> the same
    shape as sample."""

    def __init__(self, unet: nn.Module):
        super().__init__()
        self.unet = unet

    def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
        return self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]


class VaeDecoder(nn.Module):
    """latents [batch, channels, height, width], divided by the scaling factor -> image [batch, 3, H, W] in -1..1."""

    def __init__(self, vae: TinyAutoencoder | AutoencoderKL):
        super().__init__()
        self.vae = vae

    def forward(self, latents: Tensor) -> Tensor:
        decoded = self.vae.decode(latents)
        return decoded if isinstance(decoded, Tensor) else decoded.sample


class VaeEncoder(nn.Module):
    """image [batch, 3, H, W] in -1..1 -> latents [batch, channels, height, width], the mean where the encoder gives a
    distribution; a denoiser sees them times the scaling factor."""

    def __init__(self, vae: TinyAutoencoder | AutoencoderKL):
        super().__init__()
        self.vae = vae

    def forward(self, image: Tensor) -> Tensor:
        encoded = self.vae.encode(image)
        return encoded if isinstance(encoded, Tensor) else encoded.latent_dist.mean


@dataclass(frozen=True)
class Graph:
    """What `export_graph` needs of one component."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    """Examples by name, in the order of `forward`; batch 2 or more, so that no dimension is taken for a constant 1."""
    output: str
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Dimensions that may vary, by input or output name: {axis: symbol}. Empty for a graph of fixed sizes."""


def text_encoder_graph(clip: CLIPTextModel) -> Graph:
    """The example holds the largest id, from which the gate knows the vocabulary."""
    context = clip.config.max_position_embeddings
    ids = torch.full((2, context), clip.config.vocab_size - 1)
    axes = {"input_ids": {0: "batch"}, "last_hidden_state": {0: "batch"}}
    return Graph(TextEncoder(clip), {"input_ids": ids}, "last_hidden_state", axes)


def unet_graph(unet: UNet2DConditionModel, states: int) -> Graph:
    """`states`: how many the text encoder gives. The timestep is float32 [1]: schedules spaced by sigma fall between
    the integers that training knew."""
    inputs = {
        "sample": torch.zeros(2, unet.config.in_channels, *latent_size(unet)),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.zeros(2, states, unet.config.cross_attention_dim),
    }
    plane = {0: "batch", 2: "height", 3: "width"}
    axes = {"sample": plane, "encoder_hidden_states": {0: "batch"}, "out_sample": plane}
    return Graph(Unet(unet), inputs, "out_sample", axes)


def vae_decoder_graph(vae: nn.Module, latent_channels: int, size: tuple[int, int]) -> Graph:
    """`size`: height and width in latent pixels."""
    inputs = {"latents": torch.zeros(2, latent_channels, *size)}
    axes = {
        "latents": {0: "batch", 2: "height", 3: "width"},
        "image": {0: "batch", 2: "image_height", 3: "image_width"},
    }
    return Graph(VaeDecoder(vae), inputs, "image", axes)


def vae_encoder_graph(vae: nn.Module, size: tuple[int, int]) -> Graph:
    """`size`: height and width of an image in pixels."""
    axes = {
        "image": {0: "batch", 2: "image_height", 3: "image_width"},
        "latents": {0: "batch", 2: "height", 3: "width"},
    }
    return Graph(VaeEncoder(vae), {"image": torch.zeros(2, 3, *size)}, "latents", axes)


def export_graph(graph: Graph, path: Path, opset: int = OPSET) -> onnx.ModelProto:
    """Writes `graph` to `path` and returns it; weights inside the file, all float32, by their names in the module.

    Raises RuntimeError when the file is not of `opset` (17 to 23) or a name did not arrive.
    """
    module = graph.module.eval()
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # tracer remarks on shape checks and the notice that this exporter is the older one
        torch.onnx.export(
            module,
            tuple(graph.inputs.values()),
            str(path),
            input_names=list(graph.inputs),
            output_names=[graph.output],
            dynamic_axes={name: dict(axes) for name, axes in graph.dynamic.items()},
            opset_version=min(opset, NEWEST_TRACED_OPSET),
            dynamo=False,
            # Folding would turn the weights of linear layers into nameless transposed copies; runtimes fold on loading.
            do_constant_folding=False,
        )
        example = module(*graph.inputs.values())
    if opset > NEWEST_TRACED_OPSET:
        onnx.save(version_converter.convert_version(onnx.load(str(path)), opset), str(path))
    model = onnx.load(str(path))
    _check(model, opset, list(graph.inputs), graph.output)
    if graph.output in graph.dynamic:
        _declare_shape(model.graph.output[0], example.shape, graph.dynamic[graph.output])
    return model


def _declare_shape(value: onnx.ValueInfoProto, shape: Sequence[int], dynamic: Mapping[int, str]) -> None:
    """The tracer leaves made-up symbols where it lost track of a size that is in fact fixed."""
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if axis in dynamic:
            dim.dim_param = dynamic[axis]
        else:
            dim.dim_value = shape[axis]


def _check(model: onnx.ModelProto, opset: int, inputs: Sequence[str], output: str) -> None:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("") != opset or set(opsets) - {""}:
        raise RuntimeError(f"the exporter wrote opsets {opsets}, expected the default domain at {opset} alone")
    names = [value.name for value in model.graph.input]
    if names != list(inputs) or [value.name for value in model.graph.output] != [output]:
        raise RuntimeError(f"the exporter changed the names: inputs {names}, expected {list(inputs)} -> {output}")
