"""The tiny models as everybody else exchanges them: diffusers' layout, weights in safetensors, no graphs.

tiny, tiny-v    the weights of the fixtures of these names, so their images are known
tiny-lcm        takes the guidance scale as timestep_cond
"""

import base64
import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, LCMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel

from ..files import read_json, write_json
from ..onnx.export import Graph, export_graph, text_encoder_graph, vae_decoder_graph
from ..onnx.pipeline import generate
from .tiny_networks import GUIDANCE_WIDTH, STATES_WIDTH, DistilledUnet, modules
from .tiny_tokenizer import CONTEXT, vocabulary, write_tokenizer_files, write_tokenizer_json

Networks = tuple[CLIPTextModel, UNet2DConditionModel, AutoencoderKL]

STABLE_DIFFUSION = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
ZERO_SNR = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


def write_diffusers_models(out: Path, references: list[dict[str, Any]]) -> None:
    """Writes the models and `reference-images.json`. `references`: those of the models that have the same weights."""
    write_model(out / "tiny", modules(seed=0, channels=4, factor=8, sample_size=8), DDIMScheduler, STABLE_DIFFUSION)
    networks = modules(seed=1, channels=4, factor=4, sample_size=8)
    write_model(out / "tiny-v", networks, DDIMScheduler, ZERO_SNR, write_tokenizer_json)
    distilled = modules(seed=3, channels=4, factor=4, sample_size=8, time_cond_proj_dim=GUIDANCE_WIDTH)
    write_model(out / "tiny-lcm", distilled, LCMScheduler, {})
    images = [image for image in references if image["model"] in ("tiny", "tiny-v")]
    images += lcm_references(out / "tiny-lcm", distilled)
    (out / "reference-images.json").write_text(json.dumps(images, indent=1) + "\n")


def write_model(
    folder: Path, networks: Networks, scheduler: type, options: dict[str, Any],
    write_tokenizer: Callable[[Path], None] = write_tokenizer_files,
) -> None:  # fmt: skip
    """Weights in half precision, which holds those of the tiny networks exactly."""
    names = ("text_encoder", "unet", "vae")
    for name, network in zip(names, networks, strict=True):
        copy.deepcopy(network).half().save_pretrained(folder / name)
        _without_place(folder / name / "config.json")
    scheduler(**{"clip_sample": False, "set_alpha_to_one": False, **options}).save_config(folder / "scheduler")
    write_tokenizer(folder / "tokenizer")
    parts = {name: ["diffusers", type(network).__name__] for name, network in zip(names, networks, strict=True)}
    parts |= {"tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", scheduler.__name__]}
    parts["text_encoder"][0] = "transformers"
    write_json(folder / "model_index.json", {"_class_name": "StableDiffusionPipeline", **parts})


def lcm_references(folder: Path, networks: Networks) -> list[dict[str, Any]]:
    """Images of a distilled model by diffusers' scheduler and onnxruntime."""
    clip, unet, vae = networks
    size = len(vocabulary())
    prompt = [size - 2, 320, 540, 575, *[size - 1] * (CONTEXT - 4)]
    plane = {0: "batch", 2: "height", 3: "width"}
    inputs = {
        "sample": torch.zeros(2, 4, 8, 8), "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.zeros(2, CONTEXT, STATES_WIDTH),
        "timestep_cond": torch.zeros(2, GUIDANCE_WIDTH),
    }  # fmt: skip
    axes = {"sample": plane, "encoder_hidden_states": {0: "batch"}, "timestep_cond": {0: "batch"}, "out_sample": plane}
    graphs = {
        "text_encoder": text_encoder_graph(clip),
        "unet": Graph(DistilledUnet(unet), inputs, "out_sample", axes),
        "vae_decoder": vae_decoder_graph(vae, 4, (8, 8)),
    }
    images = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, graph in graphs.items():
            (Path(temporary) / name).mkdir()
            export_graph(graph, Path(temporary) / name / "model.onnx")
        for part in ("vae", "scheduler"):
            (Path(temporary) / part).symlink_to((folder / part).absolute())
        for seed, steps, scale in ((10, 4, 6.5), (10, 2, 1.0)):
            rgb = generate(Path(temporary), prompt, None, seed, steps, scale, 8)
            images.append(
                {
                    "model": folder.name, "sampler": "lcm", "seed": seed, "steps": steps, "guidanceScale": scale,
                    "latentSize": 8, "promptIds": prompt, "negativeIds": None,
                    "width": rgb.shape[1], "height": rgb.shape[0], "rgb": base64.b64encode(rgb.tobytes()).decode(),
                }
            )  # fmt: skip
    return images


def _without_place(config: Path) -> None:
    """A configuration without the folder that its network was loaded from."""
    write_json(config, {key: value for key, value in read_json(config).items() if key != "_name_or_path"})
