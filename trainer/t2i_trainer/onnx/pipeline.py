"""Whole images from a model directory, by diffusers' scheduler and onnxruntime: what the SDK is held against."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from diffusers import DDIMScheduler, LatentConsistencyModelPipeline, LCMScheduler

NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


PARTS = ("text_encoder", "unet", "vae_decoder")


class OnnxGraph:
    """One graph; its inputs are given by position and cast to the types and the batch that it declares."""

    def __init__(self, path: Path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, *values: np.ndarray) -> np.ndarray:
        """Each value is [batch, ...], or a scalar that is given the shape that the graph declares."""
        rows = len(values[0])
        feeds = {}
        for declared, value in zip(self.session.get_inputs(), values, strict=True):
            shape = declared.shape
            if value.ndim == 0:
                value = np.full([size if isinstance(size, int) else rows for size in shape], value)
            elif isinstance(shape[0], int):
                value = np.concatenate([value, np.repeat(value[-1:], shape[0] - rows, axis=0)])
            feeds[declared.name] = value.astype(NUMPY_TYPES[declared.type])
        return self.session.run(None, feeds)[0][:rows].astype(np.float32)


def generate(
    folder: Path,
    prompt_ids: list[int],
    negative_ids: list[int] | None,  # None: no guidance
    seed: int,
    steps: int,
    guidance_scale: float,
    latent_size: int | tuple[int, int],  # side, or height and width, in latent pixels
    graph: str | dict[str, str] = "model.onnx",  # or model.fp16.onnx; of all three, or by component
) -> np.ndarray:
    """One image by LCM where the folder has its schedule, else by DDIM without eta: [height, width, 3] in bytes."""
    files = graph if isinstance(graph, dict) else dict.fromkeys(PARTS, graph)
    text, unet, vae = (OnnxGraph(folder / part / files[part]) for part in PARTS)
    named = json.loads((folder / "scheduler" / "scheduler_config.json").read_text()).get("_class_name")
    scheduler = (LCMScheduler if named == "LCMScheduler" else DDIMScheduler).from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(steps)
    condition = guidance_condition(unet, guidance_scale)
    vae_folder = "vae_decoder" if (folder / "vae_decoder" / "config.json").exists() else "vae"
    config = json.loads((folder / vae_folder / "config.json").read_text())
    states = np.concatenate([encode(text, ids) for ids in (negative_ids, prompt_ids) if ids is not None])
    generator = torch.Generator("cpu").manual_seed(seed)
    size = (latent_size, latent_size) if isinstance(latent_size, int) else latent_size
    latents = torch.randn(1, config["latent_channels"], *size, generator=generator)
    for timestep in scheduler.timesteps:
        output = unet(
            latents.numpy().repeat(len(states), axis=0), np.asarray(timestep.numpy(), np.float32), states, *condition
        )
        if negative_ids is not None:
            output = output[:1] + guidance_scale * (output[1:] - output[:1])
        step = scheduler.step(torch.from_numpy(output), timestep, latents, generator=generator)
        latents = step.prev_sample
    image = vae((latents / config["scaling_factor"] + (config.get("shift_factor") or 0)).numpy())[0]
    image = (image / 2 + 0.5).clip(0, 1).transpose(1, 2, 0)
    return (image * 255).round().astype(np.uint8)


def guidance_condition(unet: OnnxGraph, scale: float) -> list[np.ndarray]:
    """One row of the UNet's `timestep_cond`, or nothing where it takes none."""
    widths = [declared.shape[1] for declared in unet.session.get_inputs() if declared.name == "timestep_cond"]
    # A method of the pipeline that reads nothing of it.
    embed = LatentConsistencyModelPipeline.get_guidance_scale_embedding
    return [embed(None, torch.tensor([scale - 1]), embedding_dim=width).numpy() for width in widths]


def encode(text: OnnxGraph, ids: list[int]) -> np.ndarray:
    """Text states of one prompt, float32 [1, context, width]; an attention mask is all ones."""
    row = np.array([ids])
    mask = [np.ones_like(row)] * (len(text.session.get_inputs()) - 1)
    return text(row, *mask)
