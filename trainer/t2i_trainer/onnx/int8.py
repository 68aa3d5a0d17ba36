"""int8 graphs: QDQ nodes around convolutions and matrix products, calibrated on inputs like those of the gate."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from ..evaluation.prompts import GALLERY
from ..stage import warn
from .components import FLOAT32, Component
from .export import OPSET, Graph, export_graph
from .images import compare_images
from .parity import ParityError, Tolerance, examples, judge, measure
from .pipeline import PARTS
from .weights import write_with_shared_weights

INT8 = "model.int8.onnx"
# As of fp16: what counts is the direction of the output, and the image.
INT8_TOLERANCE = Tolerance(None, 0.999)
# Of the calibration's inputs; the gate has others.
CALIBRATION_SEED = 1


class _Inputs(CalibrationDataReader):
    def __init__(self, graph: Graph, granularity: int):
        drawn = examples(graph, granularity, CALIBRATION_SEED)
        self.rows: Iterator[dict[str, np.ndarray]] = ({k: v.numpy() for k, v in one.items()} for one in drawn)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.rows, None)


def export_int8(part: Component, target: Path, opset: int = OPSET) -> dict:
    """Writes `model.int8.onnx` with `model.int8.weights` beside the other graphs of a component; returns what the gate
    measured, by path. Raises ParityError where the graph differs too much; then it is not there."""
    folder, graph = target / part.target, part.rounded()
    try:
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            plain, quantized = Path(scratch, "plain.onnx"), Path(scratch, INT8)
            export_graph(graph, plain, opset)
            quantize_static(
                plain,
                quantized,
                _Inputs(graph, part.granularity),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "MatMul", "Gemm"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            write_with_shared_weights({INT8: onnx.load(str(quantized))}, folder, INT8.replace(".onnx", ".weights"))
        parity = measure(folder / INT8, graph, graph.module, part.granularity)
        return {f"{part.target}/{INT8}": judge(f"{part.target}/{INT8}", parity, INT8_TOLERANCE)}
    except Exception:
        remove_int8(folder)
        raise


def add_int8(parts: list[Component], folder: Path, guidance_scale: float, opset: int = OPSET) -> dict[str, Any]:
    """Adds an int8 graph to each component of a model directory, and returns what was measured of those that passed.

    A graph that did not pass is left out with a warning, and so are all of them where their image did not."""
    parity: dict[str, Any] = {}
    files = dict.fromkeys(PARTS, FLOAT32)
    for part in parts:
        try:
            parity |= export_int8(part, folder, opset)
            files[part.target] = INT8
        except ParityError as error:
            warn(f"export.int8: {error}; its int8 graph is left out")
    if not parity:
        return {}
    try:
        ratio = compare_images(folder, guidance_scale, prompt=GALLERY[0], graph=files)
    except ParityError as error:
        warn(f"export.int8: {error}; all int8 graphs are left out")
        for part in parts:
            remove_int8(folder / part.target)
        return {}
    return {"int8Parity": parity, "int8ImagePsnr": ratio}


def remove_int8(folder: Path) -> None:
    for name in (INT8, INT8.replace(".onnx", ".weights")):
        (folder / name).unlink(missing_ok=True)
