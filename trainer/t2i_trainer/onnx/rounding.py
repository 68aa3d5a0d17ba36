"""A graph in bf16 for runtimes that have no kernels in it, onnxruntime's CPU among them.

Every operator computes in float32 on inputs that bf16 holds, and what it gives is rounded to bf16. That is what the
matrix units of a GPU do, which sum in float32, but for the order of the sums; a compiler that fuses operators rounds
less often.
"""

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper


def holds_bfloat16(model: ModelProto) -> bool:
    """Whether anything is cast to bf16, as all must be in a graph whose ends and weights have other types."""
    casts = [node for node in model.graph.node if node.op_type == "Cast"]
    return any(helper.get_node_attr_value(node, "to") == TensorProto.BFLOAT16 for node in casts)


def rounded_compute(model: ModelProto) -> ModelProto:
    """`model` with each operator in float32 and its bf16 results rounded; casts and constants as they are."""
    types = _types(model)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        nodes += [node] if node.op_type in ("Cast", "Constant") else _rounded(node, types)
    result = ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:], result.graph.value_info[:]
    result.graph.node.extend(nodes)
    return result


def _rounded(original: NodeProto, types: dict[str, int]) -> list[NodeProto]:
    node, before, after = NodeProto(), [], []
    node.CopyFrom(original)
    for index, name in enumerate(node.input):
        if types.get(name) == TensorProto.BFLOAT16:
            node.input[index] = f"{node.name}/{index}/wide"
            before.append(helper.make_node("Cast", [name], [node.input[index]], to=TensorProto.FLOAT))
    for index, name in enumerate(node.output):
        if types.get(name) == TensorProto.BFLOAT16:
            node.output[index] = f"{name}/wide"
            after.append(helper.make_node("Cast", [node.output[index]], [name], to=TensorProto.BFLOAT16))
    return [*before, node, *after]


def _types(model: ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}
