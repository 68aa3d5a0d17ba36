"""fp16 and bf16 in the exported graphs: what is computed in them, what is not, and which numbers they refuse."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import fixtures
from t2i_trainer.golden.tiny_tokenizer import CONTEXT
from t2i_trainer.networks.denoiser import new_unet
from t2i_trainer.onnx.export import export_graph, unet_graph
from t2i_trainer.onnx.half import half_compute
from t2i_trainer.onnx.rounding import holds_bfloat16, rounded_compute
from t2i_trainer.onnx.weights import LARGEST_HALF, WeightFile, half_weights

ROOT = Path(__file__).parents[2]
DECODER = ROOT / "models/emoji-128/vae_decoder/model.onnx"
FLOAT16, BFLOAT16 = onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16


@pytest.mark.parametrize("half", [FLOAT16, BFLOAT16])
def test_the_embedding_of_the_timestep_stays_in_float32(tmp_path, half):
    """In fp16 the timesteps 999 and 998.5 would be one, in bf16 all from 998 to 1002."""
    graph = unet_graph(fixtures.modules(seed=0, channels=4, factor=8, sample_size=8)[1], CONTEXT)
    model = half_compute(half_weights(export_graph(graph, tmp_path / "model.onnx")), half)
    inferred = onnx.shape_inference.infer_shapes(model)
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    sinusoids = [node for node in inferred.graph.node if node.op_type in ("Sin", "Cos")]
    assert len(sinusoids) == 2
    assert all(types[name] == onnx.TensorProto.FLOAT for node in sinusoids for name in node.output)
    convolutions = [node for node in inferred.graph.node if node.op_type == "Conv"]
    assert all(types[node.input[0]] == half for node in convolutions[1:])
    other = {FLOAT16: BFLOAT16, BFLOAT16: FLOAT16}[half]
    assert other not in types.values(), "weights are cast where they enter, and computed with as that"


def test_places_compute_in_fp16(tmp_path):
    """The embedding of the timestep asks for the shape of what the places are part of, but not for its numbers."""
    graph = unet_graph(new_unet((32, 64), 1, 16, 4, 8).eval(), CONTEXT)
    model = half_compute(half_weights(export_graph(graph, tmp_path / "model.onnx")))
    inferred = onnx.shape_inference.infer_shapes(model)
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    sums = [node for node in inferred.graph.node if "/conv_in/" in node.name and node.op_type == "Add"]
    assert [types[node.output[0]] for node in sums] == [onnx.TensorProto.FLOAT16]


def graph_of(weight: np.ndarray, constant: float = 0.0) -> onnx.ModelProto:
    """x * weight + constant."""
    helper = onnx.helper
    value = helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [constant])
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", weight.size]) for name in "xy")
    nodes = [
        helper.make_node("Constant", [], ["constant"], "constant", value=value),
        helper.make_node("Mul", ["x", "weight"], ["product"], "product"),
        helper.make_node("Add", ["product", "constant"], ["y"], "sum"),
    ]
    graph = helper.make_graph(nodes, "graph", [x], [y], [onnx.numpy_helper.from_array(weight, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("value", [1e5, -1e5, np.inf, -np.inf, np.nan])
def test_weights_beyond_fp16_are_refused(value):
    weight = np.ones(32, np.float32)
    weight[5] = value
    with pytest.raises(ValueError, match="weight weight holds values beyond the range of fp16"):
        half_weights(graph_of(weight))


def test_the_largest_weights_of_fp16_are_kept():
    weight = np.full(32, LARGEST_HALF, np.float32)
    weight[0] *= -1
    stored = onnx.numpy_helper.to_array(half_weights(graph_of(weight)).graph.initializer[0])
    assert stored.dtype == np.float16 and np.array_equal(stored, weight)


def test_weights_lie_where_a_runtime_can_map_them(tmp_path):
    file = WeightFile(tmp_path / "model.weights")
    tensors = [onnx.numpy_helper.from_array(np.full(33, i, np.float16), str(i)) for i in (1, 2, 1)]
    for tensor in tensors:
        file.move(tensor)
    file.write()
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in tensors]
    offsets = [int(place["offset"]) for place in places]
    assert offsets == [0, 128, 0], "each where 64 divides, the same bytes once"
    stored = np.fromfile(tmp_path / "model.weights", np.float16, count=33, offset=128)
    assert np.array_equal(stored, np.full(33, 2)) and {place["length"] for place in places} == {"66"}


@pytest.mark.parametrize(("constant", "expected"), [(-3.4e38, -LARGEST_HALF), (-np.inf, -LARGEST_HALF), (0.5, 0.5)])
def test_a_constant_never_becomes_infinite_in_fp16(constant, expected):
    """An attention mask adds -3.4e38; with an infinity, what is masked everywhere would be NaN."""
    model = half_compute(half_weights(graph_of(np.ones(32, np.float32), constant)))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    said = session.run(None, {"x": np.zeros((1, 32), np.float32)})[0]
    assert said.dtype == np.float32 and (said == expected).all()


def steep(width: int = 32) -> onnx.ModelProto:
    """y = x * 1000 * 1000 / 1000 * weight: from 0.066 on, x overflows fp16 on the way."""
    helper = onnx.helper
    thousand = helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [1000.0])
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", width]) for name in "xy")
    weight = np.random.default_rng(0).normal(size=width).astype(np.float32)
    nodes = [
        helper.make_node("Constant", [], ["thousand"], "constant", value=thousand),
        helper.make_node("Mul", ["x", "thousand"], ["thousands"], "first"),
        helper.make_node("Mul", ["thousands", "thousand"], ["millions"], "second"),
        helper.make_node("Div", ["millions", "thousand"], ["back"], "third"),
        helper.make_node("Mul", ["back", "weight"], ["y"], "fourth"),
    ]
    graph = helper.make_graph(nodes, "graph", [x], [y], [onnx.numpy_helper.from_array(weight, "weight")])
    return half_weights(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def test_what_would_overflow_in_fp16_has_the_bits_of_pytorch_in_bf16():
    """Each operation in float32 and rounded is what PyTorch computes in bf16, and stays below its range."""
    x = np.linspace(-100, 100, 64, dtype=np.float32).reshape(2, 32)
    coarse = half_compute(steep(), BFLOAT16)
    assert holds_bfloat16(coarse) and not holds_bfloat16(half_compute(steep()))
    said = onnxruntime.InferenceSession(rounded_compute(coarse).SerializeToString()).run(None, {"x": x})[0]
    assert np.abs(x * 1e6).max() > LARGEST_HALF
    weight = torch.from_numpy(onnx.numpy_helper.to_array(steep().graph.initializer[0]).astype(np.float32))
    thousand = torch.tensor(1000.0).bfloat16()
    expected = torch.from_numpy(x).bfloat16() * thousand * thousand / thousand * weight.bfloat16()
    assert np.array_equal(said, expected.float().numpy())


def test_a_graph_in_bf16_is_valid_onnx_over_the_weights_of_the_others():
    """Its types are checked at the opset from which on ONNX lists bf16 for convolutions; TensorRT takes it in any."""
    float32 = onnx.load(str(DECODER))
    model = half_compute(float32, BFLOAT16)
    assert model.graph.initializer == float32.graph.initializer
    onnx.checker.check_model(onnx.version_converter.convert_version(model, 22), full_check=True)


@pytest.mark.parametrize(
    ("constant", "expected"), [(-3.4e38, -3.3895314e38), (-np.inf, -3.3895314e38), (0.3, 0.30078125)]
)
def test_a_constant_never_becomes_infinite_in_bf16(constant, expected):
    model = half_compute(half_weights(graph_of(np.ones(32, np.float32), constant)), BFLOAT16)
    session = onnxruntime.InferenceSession(rounded_compute(model).SerializeToString())
    said = session.run(None, {"x": np.zeros((1, 32), np.float32)})[0]
    assert said.dtype == np.float32 and (said == np.float32(expected)).all()


def test_the_default_models_decoder_in_bf16_is_the_one_that_tensorrt_is_tested_with():
    float32 = onnx.load(str(DECODER), load_external_data=False)
    fixture = ROOT / "test/native/fixtures/emoji-decoder.bf16.onnx"
    assert half_compute(float32, BFLOAT16) == onnx.load(str(fixture), load_external_data=False)
