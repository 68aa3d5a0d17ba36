"""The same model in diffusers, for `t2i bench --against diffusers`: one JSON request a line on stdin, one answer a line
on stdout.

    python diffusers_peer.py MODEL_DIRECTORY [--device cuda] [--threads 4]

The first line says what runs here. A request {mode, prompt, seed, steps, guidance, latentHeight, latentWidth} is
answered with {ms, unetMs, rgb} (rgb in base64); mode is eager or compile. What cannot be done is answered with {error},
and ends the program. Weights are the model directory's, in fp16 on a GPU and in float32 on a CPU.
"""

import argparse
import base64
import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import diffusers
import torch
from diffusers import UNet2DConditionModel

from t2i_trainer.evaluation.sampling import generate
from t2i_trainer.onnx.read_back import load_model_directory


class Stopwatch:
    """Milliseconds of a module's forwards. On a GPU they are enqueued long before they run, so there it is the time on
    the device from the start of the first forward to the end of the last, as one loop."""

    def __init__(self, module: torch.nn.Module, device: str):
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device == "cuda" else None
        self.reset()
        module.register_forward_pre_hook(self._start)
        module.register_forward_hook(self._stop)

    def reset(self) -> None:
        self.sum, self.first = 0.0, True

    def read(self) -> float:
        """Call it when the device has done its work."""
        return self.events[0].elapsed_time(self.events[1]) if self.events else self.sum

    def _start(self, *_: object) -> None:
        if self.events and self.first:
            self.events[0].record()
        self.first = False
        self.began = time.perf_counter()

    def _stop(self, *_: object) -> None:
        if self.events:
            self.events[1].record()
        self.sum += (time.perf_counter() - self.began) * 1000


class Compiled(torch.nn.Module):
    """A UNet through torch.compile. Hooks on it stay outside of the compiled graph, which they would break."""

    def __init__(self, unet: UNet2DConditionModel):
        super().__init__()
        self.config, self.dtype = unet.config, unet.dtype
        self.forward = torch.compile(unet.forward, mode="reduce-overhead")


class Peer:
    """A model on one device, eager and compiled. Compiling waits for the first image that asks for it."""

    def __init__(self, folder: Path, device: str):
        run = load_model_directory(folder)
        if run.unet.config.time_cond_proj_dim is not None:
            raise ValueError("guidance was distilled into the UNet, and this program runs no such model")
        dtype = torch.float16 if device == "cuda" else torch.float32
        for module in (run.text_encoder, run.unet, run.vae):
            module.to(device, dtype)
        run.device = device
        self.runs = {"eager": run, "compile": replace(run, unet=Compiled(run.unet))}
        self.stopwatches = {mode: Stopwatch(each.unet, device) for mode, each in self.runs.items()}

    def draw(self, request: dict) -> dict:
        """The image, and how long it took from the prompt to its pixels in main memory."""
        stopwatch = self.stopwatches[request["mode"]]
        stopwatch.reset()
        start = time.perf_counter()
        images = generate(
            self.runs[request["mode"]],
            [request["prompt"]],
            [request["seed"]],
            request["steps"],
            request["guidance"],
            quiet=True,
            size=(request["latentHeight"], request["latentWidth"]),
        )
        ms = (time.perf_counter() - start) * 1000
        return {"ms": ms, "unetMs": stopwatch.read(), "rgb": base64.b64encode(images[0].tobytes()).decode()}


def versions(device: str) -> dict:
    name, dtype = (torch.cuda.get_device_name(), "float16") if device == "cuda" else ("the CPU", "float32")
    return {"torch": torch.__version__, "diffusers": diffusers.__version__, "device": name, "dtype": dtype}


def say(answer: dict) -> None:
    print(json.dumps(answer), flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    options = parser.parse_args(arguments)
    # Ctrl-C reaches every process of the terminal; when to end is the caller's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(options.threads)
    try:
        peer = Peer(options.model, options.device)
        say(versions(options.device))
        for line in sys.stdin:
            say(peer.draw(json.loads(line)))
    except Exception as error:
        # Whatever it is, the caller shows it: a model of another layout, a device that is not there, no memory left.
        say({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
