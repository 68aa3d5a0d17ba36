"""Exports a training run to a model directory that the SDK runs: ONNX opset 17, weights stored once in fp16.

    python trainer/export.py --run runs/emoji-128 --out models/emoji-128 --name emoji-128

Each network becomes `model.onnx` (float32 arithmetic, for CPUs) and `model.fp16.onnx` (fp16 arithmetic, for GPUs) over
one `model.weights`; the decoder `model.bf16.onnx` too, for GPUs on which its activations overflow in fp16. Every graph
must agree with PyTorch before anything is published; where one does not, the command ends with exit code 1 and the
target is as it was. Only one in bf16 is left out instead.
"""

import sys

from t2i_trainer.command_line import read_options
from t2i_trainer.emoji.export import ExportOptions, export
from t2i_trainer.onnx.parity import ParityError


def main(arguments: list[str] | None = None) -> int:
    try:
        export(read_options(ExportOptions, __doc__, arguments))
    except ParityError as error:
        print(f"nothing was published: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
