"""The three graphs of a model: wrappers with the names of their inputs, and the export to ONNX opset 17.

torch's dynamo exporter starts at opset 18 and converts downwards without a promise to arrive; the TorchScript path
truly writes 17. `export_graph` checks the result instead of trusting it.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

OPSET = 17


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

    def __init__(self, vae: nn.Module):
        super().__init__()
        self.vae = vae

    def forward(self, latents: Tensor) -> Tensor:
        decoded = self.vae.decode(latents)
        return decoded if isinstance(decoded, Tensor) else decoded.sample


@dataclass(frozen=True)
class Graph:
    """What `export_graph` needs of one component."""

    module: nn.Module
    inputs: Mapping[str, Tensor]
    """Examples by name, in the order of `forward`; batch 2 or more, so that no dimension is taken for a constant 1."""
    output: str
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """Dimensions that may vary, by input or output name: {axis: symbol}. Empty for a graph of fixed sizes."""


def text_encoder_graph(clip: nn.Module) -> Graph:
    """The example holds the largest id, from which the gate knows the vocabulary."""
    context = clip.config.max_position_embeddings
    ids = torch.full((2, context), clip.config.vocab_size - 1)
    axes = {"input_ids": {0: "batch"}, "last_hidden_state": {0: "batch"}}
    return Graph(TextEncoder(clip), {"input_ids": ids}, "last_hidden_state", axes)


def unet_graph(unet: nn.Module, states: int) -> Graph:
    """`states`: how many the text encoder gives. The timestep is float32 [1]: schedules spaced by sigma fall between
    the integers that training knew."""
    size = _side(unet.config.sample_size)
    inputs = {
        "sample": torch.zeros(2, unet.config.in_channels, size, size),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.zeros(2, states, unet.config.cross_attention_dim),
    }
    plane = {0: "batch", 2: "height", 3: "width"}
    axes = {"sample": plane, "encoder_hidden_states": {0: "batch"}, "out_sample": plane}
    return Graph(Unet(unet), inputs, "out_sample", axes)


def vae_decoder_graph(vae: nn.Module, latent_channels: int, latent_size: int) -> Graph:
    inputs = {"latents": torch.zeros(2, latent_channels, latent_size, latent_size)}
    axes = {
        "latents": {0: "batch", 2: "height", 3: "width"},
        "image": {0: "batch", 2: "image_height", 3: "image_width"},
    }
    return Graph(VaeDecoder(vae), inputs, "image", axes)


def export_graph(graph: Graph, path: Path) -> onnx.ModelProto:
    """Writes `graph` to `path` and returns it; weights inside the file, all float32, by their names in the module.

    Raises RuntimeError when the result is not opset 17 or a name did not arrive.
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
            opset_version=OPSET,
            dynamo=False,
            # Folding would turn the weights of linear layers into nameless transposed copies; runtimes fold on loading.
            do_constant_folding=False,
        )
        example = module(*graph.inputs.values())
    model = onnx.load(str(path))
    _check(model, list(graph.inputs), graph.output)
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


def _check(model: onnx.ModelProto, inputs: Sequence[str], output: str) -> None:
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if opsets.get("") != OPSET or set(opsets) - {""}:
        raise RuntimeError(f"the exporter wrote opsets {opsets}, expected the default domain at {OPSET} alone")
    names = [value.name for value in model.graph.input]
    if names != list(inputs) or [value.name for value in model.graph.output] != [output]:
        raise RuntimeError(f"the exporter changed the names: inputs {names}, expected {list(inputs)} -> {output}")


def _side(size: int | Sequence[int]) -> int:
    return size if isinstance(size, int) else max(size)
