"""The half-precision forms of a graph: arithmetic in fp16 or in bf16, in float32 only what those would spoil, float32
at its ends.

TensorRT takes precision from the graph alone since version 11, so the graph has to say it. onnxruntime's own converter
is not used: it writes graphs with two nodes of one name, which no runtime loads.

bf16 has the range of float32 and 8 bits of precision, fp16 11 bits and nothing beyond 65504: what overflows in the one
may do in the other.
"""

from collections.abc import Iterable

import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from .weights import LARGEST_HALF

# Beyond them lie infinities.
LARGEST: dict[int, float] = {TensorProto.FLOAT16: LARGEST_HALF, TensorProto.BFLOAT16: (2 - 2**-7) * 2.0**127}

# Sums over many values, and exponentials; autocast of PyTorch keeps these in float32 as well.
FLOAT32_OPS = {"InstanceNormalization", "LayerNormalization", "Softmax"}

# Inputs whose type the operator fixes at float32: the scales of Resize.
FIXED_INPUTS = {"Resize": {1, 2}}


def half_compute(model: onnx.ModelProto, half: int = TensorProto.FLOAT16) -> onnx.ModelProto:
    """`model`, a float32 graph whose weights `half_weights` stored as fp16, with its arithmetic in fp16, or in bf16
    over the same weights, cast where they enter (`half`: TensorProto.FLOAT16 or BFLOAT16).

    The embedding of the timestep stays in float32: fp16 holds 999 only to 0.5, bf16 to 4.
    """
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    graph = inferred.graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input, *graph.output)}
    types.update({tensor.name: tensor.data_type for tensor in graph.initializer})
    converter = _Converter(types, half, float32_nodes=_ancestors_of_sinusoids(graph.node))
    for node in graph.node:
        converter.convert(node)
    for output in graph.output:
        converter.restore(output.name)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.value_info[:]
    result.graph.node.extend(converter.nodes)
    onnx.shape_inference.infer_shapes(result, strict_mode=True)  # raises where two types meet
    return result


class _Converter:
    """Rewrites nodes in order. `held`: under what name each float tensor exists so far in each of the two types;
    `latent`: the node that makes it in that type, not needed yet."""

    def __init__(self, types: dict[str, int], half: int, float32_nodes: set[str]):
        self.types = types
        self.half = half
        self.float32_nodes = float32_nodes
        self.nodes: list[NodeProto] = []
        self.held: dict[tuple[str, int], str] = {}
        self.latent: dict[tuple[str, int], NodeProto] = {}

    def convert(self, node: NodeProto) -> None:
        if self._is_float(node.output[0]) and node.op_type == "Constant":
            self._hold_constant(node)
        elif self._is_weight_cast(node):
            self._hold_weight(node)
        else:
            self._hold_computed(node)

    def restore(self, output: str) -> None:
        """Gives the graph's output its name and float32 back."""
        if self.held.get((output, TensorProto.FLOAT)) != output:
            half = self.held[output, self.half]
            self.nodes.append(helper.make_node("Cast", [half], [output], f"{output}/to_float", to=TensorProto.FLOAT))

    def _hold_computed(self, node: NodeProto) -> None:
        kept = node.op_type in FLOAT32_OPS or node.name in self.float32_nodes or node.op_type == "ConstantOfShape"
        wanted = TensorProto.FLOAT if kept else self.half
        for index, name in enumerate(node.input):
            if self._is_float(name):
                fixed = index in FIXED_INPUTS.get(node.op_type, ())
                node.input[index] = self._as(name, TensorProto.FLOAT if fixed else wanted)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = wanted
        for index, name in enumerate(node.output):
            if self._is_float(name):
                node.output[index] = name if kept else f"{name}/half"
                self.held[name, wanted] = node.output[index]
        self.nodes.append(node)

    def _hold_weight(self, node: NodeProto) -> None:
        """`node` casts a weight, which is stored as fp16, to float32."""
        stored, name = node.input[0], node.output[0]
        self.latent[name, TensorProto.FLOAT] = node
        if self.half == TensorProto.FLOAT16:
            self.held[name, self.half] = stored
        else:
            self.latent[name, self.half] = helper.make_node("Cast", [stored], [f"{name}/half"], to=self.half)

    def _hold_constant(self, node: NodeProto) -> None:
        """The -3e38 of an attention mask lies beyond fp16, and some of its neighbours beyond bf16; the lowest number
        serves as well."""
        name = node.output[0]
        largest, dtype = LARGEST[self.half], helper.tensor_dtype_to_np_dtype(self.half)
        tensor = numpy_helper.from_array(
            numpy_helper.to_array(node.attribute[0].t).clip(-largest, largest).astype(dtype)
        )
        self.latent[name, TensorProto.FLOAT] = node
        self.latent[name, self.half] = helper.make_node("Constant", [], [f"{name}/half"], f"{name}/half", value=tensor)

    def _as(self, name: str, wanted: int) -> str:
        """The name under which float tensor `name` exists in type `wanted`, made on first use."""
        if (name, wanted) in self.latent:
            self.nodes.append(self.latent.pop((name, wanted)))
            self.held[name, wanted] = self.nodes[-1].output[0]
        if (name, wanted) not in self.held:
            other = TensorProto.FLOAT if wanted == self.half else self.half
            # What no node computed is an input of the graph or a float32 tensor stored in it.
            source = self.held.get((name, other), name)
            target = f"{name}/as_{'half' if wanted == self.half else 'float'}"
            self.nodes.append(helper.make_node("Cast", [source], [target], target, to=wanted))
            self.held[name, wanted] = target
        return self.held[name, wanted]

    def _is_float(self, name: str) -> bool:
        return self.types.get(name) == TensorProto.FLOAT

    def _is_weight_cast(self, node: NodeProto) -> bool:
        return node.op_type == "Cast" and self.types.get(node.input[0]) == TensorProto.FLOAT16


def _ancestors_of_sinusoids(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names of every Sin and Cos and of all nodes whose numbers they depend on; a shape is one in every precision."""
    producer = {output: node for node in nodes for output in node.output}
    pending = [node for node in nodes if node.op_type in ("Sin", "Cos")]
    found: set[str] = set()
    while pending:
        node = pending.pop()
        if node.name not in found:
            found.add(node.name)
            if node.op_type != "Shape":
                pending.extend(producer[name] for name in node.input if name in producer)
    return found
