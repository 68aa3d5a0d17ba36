"""Weights stored once: the graphs of a component point into one external file of fp16 values.

`model.onnx` casts the stored fp16 weights to float32 and computes in float32: for CPUs, whose runtime folds the casts
when it loads. `model.fp16.onnx` (half.py) computes in fp16, `model.bf16.onnx` casts them to bf16 and computes in that.
Inputs and outputs of all are float32, so that a caller need not know which of them it runs.
"""

import copy
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS_FILE = "model.weights"

LARGEST_HALF = 65504.0

# Tensors of fewer bytes stay inside the graph: shape constants must be readable without the external file.
SMALLEST_EXTERNAL = 64

# Alignment of each tensor in the file, so that a runtime can map it instead of copying.
ALIGNMENT = 64


class WeightFile:
    """Appends tensors to one file; a tensor whose bytes are there already is stored once."""

    def __init__(self, path: Path):
        self.path = path
        self._data = bytearray()
        self._offsets: dict[bytes, int] = {}

    def move(self, tensor: TensorProto) -> None:
        """Turns `tensor` into a reference to its bytes in this file."""
        data = numpy_helper.to_array(tensor).tobytes()
        if data not in self._offsets:
            self._data.extend(bytes(-len(self._data) % ALIGNMENT))
            self._offsets[data] = len(self._data)
            self._data.extend(data)
        tensor.ClearField("raw_data")
        tensor.ClearField("external_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", self.path.name),
            ("offset", str(self._offsets[data])),
            ("length", str(len(data))),
        ):
            tensor.external_data.add(key=key, value=value)

    def write(self) -> None:
        self.path.write_bytes(self._data)


def half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same float32 graph with every float32 weight stored as fp16 and cast back where it enters."""
    model = copy.deepcopy(model)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and _size(tensor) >= SMALLEST_EXTERNAL:
            name = tensor.name
            values = numpy_helper.to_array(tensor)
            if not np.abs(values).max() <= LARGEST_HALF:
                raise ValueError(f"weight {name} holds values beyond the range of fp16 (65504), or no numbers")
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def write_with_shared_weights(graphs: dict[str, onnx.ModelProto], folder: Path, file: str = WEIGHTS_FILE) -> None:
    """Writes each graph to folder/name, and the weights of all of them to folder/file."""
    weights = WeightFile(folder / file)
    for name, model in graphs.items():
        for tensor in model.graph.initializer:
            if _size(tensor) >= SMALLEST_EXTERNAL:
                weights.move(tensor)
        onnx.save(model, str(folder / name))
    weights.write()


def _size(tensor: TensorProto) -> int:
    return numpy_helper.to_array(tensor).nbytes
