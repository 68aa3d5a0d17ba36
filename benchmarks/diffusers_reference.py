"""The PyTorch side of versus-diffusers.mjs: the same model eagerly in diffusers, one JSON request a line on stdin, one
answer a line on stdout.

A request {prompt, seed, steps, guidance} is answered with {ms, unetMs, rgb} (rgb in base64); the first line says what
runs here.
"""

import base64
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainer"))

import diffusers
import torch

from t2i_trainer.onnx_import import load_model_directory
from t2i_trainer.sampling import generate


class Stopwatch:
    """Adds up the time that a module's forwards take."""

    def __init__(self, module: torch.nn.Module):
        self.milliseconds = 0.0
        module.register_forward_pre_hook(lambda *_: setattr(self, "start", time.perf_counter()))
        module.register_forward_hook(self._stop)

    def _stop(self, *_: object) -> None:
        self.milliseconds += (time.perf_counter() - self.start) * 1000


def main(folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    run = load_model_directory(folder)
    unet = Stopwatch(run.unet)
    print(json.dumps({"torch": torch.__version__, "diffusers": diffusers.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        unet.milliseconds = 0.0
        start = time.perf_counter()
        picture = generate(
            run, [request["prompt"]], [request["seed"]], request["steps"], request["guidance"], quiet=True
        )
        ms = (time.perf_counter() - start) * 1000
        rgb = base64.b64encode(picture[0].tobytes()).decode()
        print(json.dumps({"ms": ms, "unetMs": unet.milliseconds, "rgb": rgb}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
