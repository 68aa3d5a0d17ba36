"""The PyTorch side of fused-loop.mjs: the denoising loop of one model in diffusers, one JSON request a line on stdin,
one answer a line on stdout.

A request {mode: "eager" | "compile", steps, guidance} is answered with {ms}: the loop alone, from the first latents to
the last, on the device's own clock where it has one. The first line says what runs here. The weights are the model
directory's, in fp16 on a GPU and in float32 on a CPU.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainer"))

import diffusers
import onnx
import torch
from diffusers import DDIMScheduler

from t2i_trainer.denoiser import unet_class
from t2i_trainer.files import read_json
from t2i_trainer.onnx_import import load_parameters


class Clock:
    """Milliseconds between two points of the device's work."""

    def __init__(self, device: str):
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if device == "cuda" else None

    def start(self) -> None:
        if self.events:
            torch.cuda.synchronize()
            self.events[0].record()
        else:
            self.begin = time.perf_counter()

    def stop(self) -> float:
        if not self.events:
            return (time.perf_counter() - self.begin) * 1000
        self.events[1].record()
        torch.cuda.synchronize()
        return self.events[0].elapsed_time(self.events[1])


@torch.inference_mode()
def denoise(unet, scheduler: DDIMScheduler, states: torch.Tensor, steps: int, guidance: float) -> None:
    """DDIM with guidance at batch 2, as the pipelines of diffusers write it."""
    config = unet.config
    x = torch.randn(1, config.in_channels, config.sample_size, config.sample_size).to(states)
    scheduler.set_timesteps(steps, device=states.device)
    for t in scheduler.timesteps:
        free, bound = unet(torch.cat([x, x]), t, states, return_dict=False)[0].chunk(2)
        x = scheduler.step(free + guidance * (bound - free), t, x).prev_sample


def main(folder: Path, device: str) -> None:
    dtype = torch.float16 if device == "cuda" else torch.float32
    unet = unet_class(folder / "unet").from_config(read_json(folder / "unet" / "config.json"))
    load_parameters(unet, folder / "unet" / "model.onnx", "unet.")
    unet = unet.to(device, dtype).eval().requires_grad_(False)
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    graph = onnx.load(str(folder / "unet" / "model.onnx"), load_external_data=False).graph
    ends = {value.name: value.type.tensor_type.shape.dim for value in graph.input}
    count = ends["encoder_hidden_states"][1].dim_value
    states = torch.randn(2, count, unet.config.cross_attention_dim).to(device, dtype)
    modes = {"eager": unet, "compile": torch.compile(unet, mode="reduce-overhead")}
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    versions = {"torch": torch.__version__, "diffusers": diffusers.__version__, "device": name, "dtype": str(dtype)}
    print(json.dumps(versions), flush=True)
    clock = Clock(device)
    for line in sys.stdin:
        request = json.loads(line)
        clock.start()
        denoise(modes[request["mode"]], scheduler, states, request["steps"], request["guidance"])
        print(json.dumps({"ms": clock.stop()}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
