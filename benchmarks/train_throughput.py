"""Speed of a project's training beside the loop of diffusers' own script for text-to-image, on the same data.

    python benchmarks/train_throughput.py [--rounds 5] [--steps 6] > benchmarks/results/train-throughput-cpu.json
    python benchmarks/train_throughput.py --device cuda > benchmarks/results/train-throughput-cuda.json

Needs the trainer's environment (`python3 trainer/env.py`). On a CPU a small UNet is trained in float32; on a GPU two,
of 148 and 860 million weights (the latter is that of Stable Diffusion 1), with DeepSpeed beside. Each round runs every
case in a new process and begins with another one; figures are medians over the rounds.

Both train on the same latents and text states, which are in memory, with AdamW at its defaults, an average of the
weights, gradients clipped to one norm, and the mean squared error of the noise; each step's loss is read, as a progress
bar does. The script's loop is written here in the least code that does what
examples/text_to_image/train_text_to_image.py of diffusers does once latents and states are there: Accelerator,
EMAModel, get_scheduler, a DataLoader. Neither writes anything.
"""

import argparse
import contextlib
import datetime
import functools
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainer"))

import accelerate
import diffusers
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from report import in_processes, machine, summary, versions
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from t2i_trainer.params import TrainingParams, UnetParams
from t2i_trainer.training.learner import Learner
from t2i_trainer.training.model import new_model
from t2i_trainer.training.options import DiffuserOptions
from t2i_trainer.training.samples import TensorSamples
from t2i_trainer.training.strategies import new_strategy

TOKENS = 77
WARM_UP = 4
"""Steps before the clock runs: AdamW makes its states in the first, and cuDNN chooses."""


@dataclass(frozen=True)
class Network:
    """A UNet, and how it is trained."""

    options: UnetParams
    batch: int
    checkpointing: bool = False


NETWORKS = {
    "small": Network(
        UnetParams(
            image_size=(16, 16), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(64, 128), layers_per_block=1,
            cross_attention_dim=256,
        ),
        batch=16,
    ),
    "148M": Network(UnetParams(image_size=(32, 32)), batch=64),
    "860M": Network(
        UnetParams(
            image_size=(64, 64), down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
            up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3), block_out_channels=(320, 640, 1280, 1280),
        ),
        batch=8, checkpointing=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """What is measured."""

    network: str
    precision: str
    trainer: str
    """`diffusers`, or a strategy of ours."""


CASES = {
    "cpu": [Case("small", "fp32", trainer) for trainer in ("single", "diffusers")],
    "cuda": [
        *[Case("148M", precision, trainer) for precision in ("fp32", "bf16") for trainer in ("single", "diffusers")],
        *[Case("148M", "fp16", trainer) for trainer in ("single", "diffusers", "zero2")],
        *[Case("860M", "bf16", trainer) for trainer in ("single", "diffusers", "zero2", "zero3")],
    ],
}  # fmt: skip


def data(network: Network) -> TensorSamples:
    """Four batches of random latents and text states."""
    draws, count, width = torch.Generator().manual_seed(0), 4 * network.batch, network.options.cross_attention_dim
    latents = torch.randn(count, 4, *network.options.image_size, generator=draws)
    states = torch.randn(count, TOKENS, width, generator=draws)
    return TensorSamples(latents, None, states, torch.zeros(TOKENS, width))


def ours(case: Case, training: TrainingParams) -> tuple[Callable[[int], float], int]:
    """A step of this trainer, and how many weights it trains."""
    network = NETWORKS[case.network]
    strategy, samples = new_strategy(case.trainer), data(network)
    learner = Learner(DiffuserOptions(unet=network.options, training=training), samples, samples, strategy)
    return lambda step: learner.step(step, step)[0].item(), learner.parameters


def of_diffusers(case: Case, training: TrainingParams) -> tuple[Callable[[int], float], int]:
    """The same of the script."""
    network, samples = NETWORKS[case.network], data(NETWORKS[case.network])
    accelerator = Accelerator(mixed_precision={"fp32": "no"}.get(case.precision, case.precision))
    unet, _ = new_model(DiffuserOptions(unet=network.options, training=training))
    if network.checkpointing:
        unet.enable_gradient_checkpointing()
    unet.train()
    average = EMAModel(unet.parameters(), model_cls=UNet2DConditionModel, model_config=unet.config)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=training.unet_learning_rate)
    rate = get_scheduler("constant", optimizer)
    loader = DataLoader(TensorDataset(samples.mean, samples.text), batch_size=network.batch, shuffle=True)
    unet, optimizer, loader, rate = accelerator.prepare(unet, optimizer, loader, rate)
    average.to(accelerator.device)
    scheduler = DDPMScheduler(1000)
    batches = endless(loader)

    def step(_: int) -> float:
        latents, states = next(batches)
        with accelerator.accumulate(unet):
            noise = torch.randn_like(latents)
            timesteps = torch.randint(0, 1000, (len(latents),), device=latents.device)
            noisy = scheduler.add_noise(latents, noise, timesteps)
            prediction = unet(noisy, timesteps, states, return_dict=False)[0]
            loss = torch.nn.functional.mse_loss(prediction.float(), noise.float(), reduction="mean")
            told = accelerator.gather(loss.repeat(network.batch)).mean().item()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(unet.parameters(), training.gradient_clipping)
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
        average.step(unet.parameters())
        return told

    return step, sum(weight.numel() for weight in unet.parameters())


def endless(loader: DataLoader) -> Iterator[list[Tensor]]:
    while True:
        yield from loader


def measure(case: Case, device: str, steps: int, _: int) -> dict[str, Any]:
    """Trains for so many steps; the figures."""
    network = NETWORKS[case.network]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(WORLD_SIZE="1", RANK="0", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    training = TrainingParams(
        batch_size=network.batch, precision=case.precision, gradient_checkpointing=network.checkpointing,
        warmup_steps=0, num_epochs=1000,
    )  # fmt: skip
    step, parameters = (of_diffusers if case.trainer == "diffusers" else ours)(case, training)
    losses = [step(number) for number in range(WARM_UP)]
    began = time.monotonic()
    losses += [step(WARM_UP + number) for number in range(steps)]
    if device == "cuda":
        torch.cuda.synchronize()
    figures = {"samplesPerSecond": steps * network.batch / (time.monotonic() - began), "parameters": parameters}
    figures |= {"firstLoss": losses[0], "lastLoss": losses[-1]}
    return figures | ({"gpuBytes": torch.cuda.max_memory_allocated()} if device == "cuda" else {})


def measure_round(cases: list[Case], number: int, device: str, steps: int) -> dict[Case, dict[str, Any]]:
    """The figures of every case, beginning with another one each round."""
    found, first = {}, number % len(cases)
    for case in cases[first:] + cases[:first]:
        print(f"round {number + 1}: {case}", file=sys.stderr, flush=True)
        [found[case]] = in_processes(str(case), functools.partial(measure, case, device, steps))
    return found


def subject(case: Case, rounds: list[dict[Case, dict[str, Any]]]) -> dict[str, Any]:
    """What a case's rounds say, and how many times as fast as the script it is."""
    peer = Case(case.network, case.precision, "diffusers")
    speed, other = ([figures[one]["samplesPerSecond"] for figures in rounds] for one in (case, peer))
    facts = {name: value for name, value in rounds[0][case].items() if name != "samplesPerSecond"}
    network = NETWORKS[case.network]
    return {
        **asdict(case), "batchSize": network.batch, "latents": [4, *network.options.image_size],
        "gradientCheckpointing": network.checkpointing, **facts, "samplesPerSecond": summary(speed),
        "timesDiffusers": summary([one / two for one, two in zip(speed, other, strict=True)]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=CASES, default="cpu", help="what is trained on")
    parser.add_argument("--rounds", type=int, default=5, help="times that each case runs")
    parser.add_argument("--steps", type=int, default=6, help="timed steps of a round")
    given = parser.parse_args()
    if given.device == "cpu":
        os.environ |= {"CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
    load, cases = os.getloadavg(), CASES[given.device]
    rounds: list[dict[Case, dict[str, Any]]] = []
    # What was measured is told however the run ends.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        for number in range(given.rounds):
            rounds.append(measure_round(cases, number, given.device, given.steps))
    report = {
        "version": 1,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(load) | ({"gpu": torch.cuda.get_device_name()} if given.device == "cuda" else {}),
        "versions": versions(torch, diffusers, accelerate),
        "threads": torch.get_num_threads(), "rounds": len(rounds), "steps": given.steps,
        "subjects": [subject(case, rounds) for case in cases if rounds],
    }  # fmt: skip
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
