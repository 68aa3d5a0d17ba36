"""The gate between PyTorch and ONNX: both run the same inputs, at several batches and sizes, and must agree."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from .export import Graph
from .rounding import holds_bfloat16, rounded_compute

BATCHES = (1, 2, 4)
TIMESTEPS = (999.0, 500.0, 1.0)


class ParityError(Exception):
    """A graph says something else than the module it was exported from."""


@dataclass(frozen=True)
class Tolerance:
    max_abs: float | None
    """Largest difference of one value; None where fp16 arithmetic makes it depend on the scale of the output."""
    cosine: float
    """Smallest cosine between the outputs as vectors."""


@dataclass(frozen=True)
class Parity:
    """The worst that was seen over all inputs."""

    max_abs: float
    cosine: float
    max_abs_to_float32_weights: float
    """Against the weights before they were rounded to fp16: what the rounding itself costs. Not judged."""
    inputs: int


def measure(path: Path, graph: Graph, original: nn.Module, granularity: int) -> Parity:
    """Runs the file at `path` against `graph.module`, whose weights fp16 holds exactly, and against `original`.

    `granularity`: what the second size adds to the width of the first, so that both dimensions are seen to vary.
    """
    session = open_session(path)
    max_abs, cosine, to_original, count = 0.0, 1.0, 0.0, 0
    for inputs in examples(graph, granularity):
        said = session.run(None, {name: value.numpy() for name, value in inputs.items()})[0].astype(np.float64)
        with torch.inference_mode():
            expected = graph.module(*inputs.values()).double().numpy()
            unrounded = original(*inputs.values()).double().numpy()
        if said.shape != expected.shape:
            raise ParityError(f"{path.name}: shape {said.shape}, expected {expected.shape}")
        norm = np.linalg.norm(said) * np.linalg.norm(expected)
        # Written so that a NaN stays one and fails the comparison with the tolerance.
        max_abs = np.maximum(max_abs, np.abs(said - expected).max())
        cosine = np.minimum(cosine, (said * expected).sum() / norm)
        to_original = np.maximum(to_original, np.abs(said - unrounded).max())
        count += 1
    return Parity(float(max_abs), float(cosine), float(to_original), count)


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """The graph on the CPU; one in bf16 with each result rounded to that, since onnxruntime has no such kernels."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    coarse = holds_bfloat16(onnx.load(str(path), load_external_data=False))
    given = rounded_compute(onnx.load(str(path))).SerializeToString() if coarse else str(path)
    return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])


def judge(name: str, parity: Parity, tolerance: Tolerance) -> dict:
    """What the manifest records of a graph that passed; raises ParityError for one that did not."""
    wrong = []
    if tolerance.max_abs is not None and not parity.max_abs <= tolerance.max_abs:
        wrong.append(f"largest difference {parity.max_abs:.2e}, allowed {tolerance.max_abs:.0e}")
    if not parity.cosine >= tolerance.cosine:
        wrong.append(f"cosine {parity.cosine:.6f}, allowed {tolerance.cosine}")
    if wrong:
        raise ParityError(f"{name} differs from PyTorch over {parity.inputs} inputs: {'; '.join(wrong)}")
    return asdict(parity)


def examples(graph: Graph, granularity: int, seed: int = 0) -> Iterator[dict[str, Tensor]]:
    """Random inputs at every batch, at the size of the example and at one that is wider."""
    generator = torch.Generator().manual_seed(seed)
    planar = any(2 in axes for axes in graph.dynamic.values())
    for batch in BATCHES:
        for extra in (0, granularity) if planar else (0,):
            timestep = TIMESTEPS[batch % len(TIMESTEPS)]
            yield {name: _random(example, batch, extra, timestep, generator) for name, example in graph.inputs.items()}


def _random(example: Tensor, batch: int, extra: int, timestep: float, generator: torch.Generator) -> Tensor:
    if example.ndim == 1:
        return torch.full_like(example, timestep)
    shape = [batch, *example.shape[1:]]
    if example.ndim == 4:
        shape[3] += extra
    if example.dtype == torch.int64:
        return torch.randint(0, int(example.max()) + 1, shape, generator=generator)
    return torch.randn(shape, generator=generator)
