"""Writes the tiny random-weight models of test/fixtures/: real graphs of real architectures, small enough to commit.

python fixtures.py [--out ../test/fixtures]

tiny        our own export: epsilon, 4 channels, factor 8, float32 timestep [1], dynamic batch and size
tiny-v      another exporter's habits: v_prediction, latents/timesteps/noise_pred, a scalar timestep, int32 ids,
            the decoder's config in vae/, the tokenizer as tokenizer.json alone
tiny-16ch   16 channels, factor 16, sample prediction, attention mask, int64 timestep [batch], float16 inputs and
            outputs, every size fixed, the UNet at batch 2
tiny-lcm    a latent consistency model: the guidance scale as timestep_cond, LCM's schedule; its text encoder gives two
            states for each token
diffusers/  the same without graphs, see t2i_trainer/golden/diffusers_models.py
"""

import argparse
import base64
import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import torch
from diffusers import DDIMScheduler, LCMScheduler

from t2i_trainer.golden.diffusers_models import write_diffusers_models
from t2i_trainer.golden.tiny_networks import (
    GUIDANCE_WIDTH,
    STATES_WIDTH,
    DistilledUnet,
    Float16Ends,
    MaskedTextEncoder,
    TwoStatesPerToken,
    modules,
)
from t2i_trainer.golden.tiny_tokenizer import CONTEXT, vocabulary, write_tokenizer_files, write_tokenizer_json
from t2i_trainer.onnx.export import (
    Graph,
    TextEncoder,
    Unet,
    VaeDecoder,
    export_graph,
    text_encoder_graph,
    unet_graph,
    vae_decoder_graph,
)
from t2i_trainer.onnx.pipeline import generate
from t2i_trainer.onnx.weights import half_weights, write_with_shared_weights


def write_fixtures(out: Path) -> None:
    for name, write in (
        ("tiny", write_tiny),
        ("tiny-v", write_tiny_v),
        ("tiny-16ch", write_tiny_16ch),
        ("tiny-lcm", write_tiny_lcm),
    ):
        shutil.rmtree(out / name, ignore_errors=True)
        write(out / name)
    images = reference_images(out)
    (out / "reference-images.json").write_text(json.dumps(images, indent=1) + "\n")
    shutil.rmtree(out / "diffusers", ignore_errors=True)
    write_diffusers_models(out / "diffusers", images)


def reference_images(out: Path) -> list[dict[str, Any]]:
    size = len(vocabulary())
    prompt = [size - 2, 320, 540, 575, *[size - 1] * (CONTEXT - 4)]  # start, "a red apple", end as padding
    negative = [size - 2, *[size - 1] * (CONTEXT - 1)]
    requests: list[dict[str, Any]] = [
        {"model": "tiny", "seed": 7, "steps": 6, "guidanceScale": 5.0, "latentSize": 8},
        {"model": "tiny", "seed": 0, "steps": 3, "guidanceScale": 1.0, "latentSize": 4},
        {"model": "tiny-v", "seed": 8, "steps": 5, "guidanceScale": 2.5, "latentSize": 8},
        {"model": "tiny-16ch", "seed": 9, "steps": 4, "guidanceScale": 3.0, "latentSize": 4},
        {"model": "tiny-16ch", "seed": 9, "steps": 4, "guidanceScale": 1.0, "latentSize": 4},
        {"model": "tiny-lcm", "sampler": "lcm", "seed": 10, "steps": 4, "guidanceScale": 6.5, "latentSize": 8},
        {"model": "tiny-lcm", "sampler": "lcm", "seed": 10, "steps": 2, "guidanceScale": 1.0, "latentSize": 8},
    ]
    images = []
    for request in requests:
        guided = request["guidanceScale"] > 1 and request["model"] != "tiny-lcm"
        negative_ids = negative if guided else None
        rgb = generate(
            out / request["model"],
            prompt,
            negative_ids,
            request["seed"],
            request["steps"],
            request["guidanceScale"],
            request["latentSize"],
        )
        image = {"width": rgb.shape[1], "height": rgb.shape[0], "rgb": base64.b64encode(rgb.tobytes()).decode()}
        images.append({**request, "promptIds": prompt, "negativeIds": negative_ids, **image})
    return images


def write_tiny(folder: Path) -> None:
    clip, unet, vae = modules(seed=0, channels=4, factor=8, sample_size=8)
    write_graph(text_encoder_graph(clip), folder / "text_encoder", clip.config.to_dict())
    write_graph(unet_graph(unet, CONTEXT), folder / "unet", config_of(unet))
    write_graph(vae_decoder_graph(vae, 4, (8, 8)), folder / "vae_decoder", config_of(vae))
    write_tokenizer_files(folder / "tokenizer")
    write_scheduler(folder, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1)


def write_tiny_v(folder: Path) -> None:
    clip, unet, vae = modules(seed=1, channels=4, factor=4, sample_size=8)
    ids = torch.zeros(2, CONTEXT, dtype=torch.int32)
    latents, states = torch.zeros(2, 4, 8, 8), torch.zeros(2, CONTEXT, STATES_WIDTH)
    plane = {0: "b", 2: "h", 3: "w"}
    text = Graph(TextEncoder(clip), {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "b"}})
    denoiser = Graph(
        Unet(unet),
        {"latents": latents, "timesteps": torch.tensor(500.0), "encoder_hidden_states": states},
        "noise_pred",
        {"latents": plane, "encoder_hidden_states": {0: "b"}},
    )
    decoder = Graph(VaeDecoder(vae), {"latents": latents}, "image", {"latents": plane})
    write_graph(text, folder / "text_encoder", clip.config.to_dict())
    write_graph(denoiser, folder / "unet", config_of(unet))
    write_graph(decoder, folder / "vae_decoder", None)
    write_json(folder / "vae" / "config.json", config_of(vae))
    write_tokenizer_json(folder / "tokenizer")
    write_scheduler(folder, prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")


def write_tiny_16ch(folder: Path) -> None:
    clip, unet, vae = modules(seed=2, channels=16, factor=16, sample_size=4)
    ids = torch.zeros(1, CONTEXT, dtype=torch.int64)
    text = Graph(
        Float16Ends(MaskedTextEncoder(clip)),
        {"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        "last_hidden_state",
    )
    sample, states = torch.zeros(2, 16, 4, 4).half(), torch.zeros(2, CONTEXT, STATES_WIDTH).half()
    denoiser = Graph(
        Float16Ends(Unet(unet)),
        {"sample": sample, "timestep": torch.tensor([500, 500]), "encoder_hidden_states": states},
        "out_sample",
    )
    decoder = Graph(Float16Ends(VaeDecoder(vae)), {"latent_sample": sample[:1]}, "sample")
    write_graph(text, folder / "text_encoder", clip.config.to_dict())
    write_graph(denoiser, folder / "unet", config_of(unet))
    write_graph(decoder, folder / "vae_decoder", config_of(vae))
    write_tokenizer_files(folder / "tokenizer")
    write_scheduler(folder, prediction_type="sample", beta_schedule="squaredcos_cap_v2", clip_sample=True)


def write_tiny_lcm(folder: Path) -> None:
    clip, unet, vae = modules(seed=3, channels=4, factor=4, sample_size=8, time_cond_proj_dim=GUIDANCE_WIDTH)
    ids = torch.zeros(2, CONTEXT, dtype=torch.int64)
    text = Graph(
        TwoStatesPerToken(clip),
        {"input_ids": ids},
        "last_hidden_state",
        {"input_ids": {0: "batch"}, "last_hidden_state": {0: "batch"}},
    )
    plane = {0: "batch", 2: "height", 3: "width"}
    denoiser = Graph(
        DistilledUnet(unet),
        {
            "sample": torch.zeros(2, 4, 8, 8),
            "timestep": torch.tensor(500),
            "encoder_hidden_states": torch.zeros(2, 2 * CONTEXT, STATES_WIDTH),
            "timestep_cond": torch.zeros(2, GUIDANCE_WIDTH),
        },
        "out_sample",
        {"sample": plane, "encoder_hidden_states": {0: "batch"}, "timestep_cond": {0: "batch"}, "out_sample": plane},
    )
    write_graph(text, folder / "text_encoder", clip.config.to_dict())
    write_graph(denoiser, folder / "unet", config_of(unet))
    write_graph(vae_decoder_graph(vae, 4, (8, 8)), folder / "vae_decoder", config_of(vae))
    write_tokenizer_files(folder / "tokenizer")
    write_scheduler(folder, LCMScheduler)


def write_graph(graph: Graph, folder: Path, config: dict | None) -> None:
    folder.mkdir(parents=True)
    model = compact(half_weights(export_graph(graph, folder / "model.onnx")))
    write_with_shared_weights({"model.onnx": model}, folder)
    if config is not None:
        write_json(folder / "config.json", config)


def compact(model: onnx.ModelProto) -> onnx.ModelProto:
    """Short names for everything inside the graph: in a tiny model the names outweigh the weights."""
    ends = {value.name for value in (*model.graph.input, *model.graph.output)} | {""}
    short: dict[str, str] = {}
    for node in model.graph.node:
        node.ClearField("name")
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name not in ends:
                    names[index] = short.setdefault(name, f"t{len(short)}")
    for tensor in model.graph.initializer:
        tensor.name = short.setdefault(tensor.name, f"t{len(short)}")
    del model.graph.value_info[:]
    return model


def write_scheduler(folder: Path, scheduler: type = DDIMScheduler, **options: Any) -> None:
    scheduler(**{"clip_sample": False, "set_alpha_to_one": False, **options}).save_config(folder / "scheduler")
    write_json(
        folder / "model_index.json",
        {
            "_class_name": "OnnxStableDiffusionPipeline",
            "scheduler": ["diffusers", scheduler.__name__],
            "text_encoder": ["diffusers", "OnnxRuntimeModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "OnnxRuntimeModel"],
            "vae_decoder": ["diffusers", "OnnxRuntimeModel"],
        },
    )


def config_of(module: Any) -> dict[str, Any]:
    """Without what diffusers notes for itself, which changes from run to run."""
    return {key: value for key, value in module.config.items() if key == "_class_name" or not key.startswith("_")}


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "test" / "fixtures")
    write_fixtures(parser.parse_args().out)
