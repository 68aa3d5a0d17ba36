"""Writes a model directory to measure, around a UNet of 148,345,732 parameters with random weights.

    python benchmarks/anchor_model.py OUT && npm run bench:gpu -- --model OUT

192, 384 and 576 channels, two layers a block, cross-attention over 77 states of 768, 16x16x4 latents: a small latent
diffusion model for images of 128 pixels. Text encoder and decoder are as small as they can be, since the loop is what
counts. The tokenizer is the default model's, with the context that the text encoder was exported for.
"""

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "trainer"))

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from t2i_trainer.onnx.export import Graph, export_graph, text_encoder_graph, unet_graph, vae_decoder_graph
from t2i_trainer.onnx.half import half_compute
from t2i_trainer.onnx.weights import half_weights, write_with_shared_weights

PARAMETERS = 148_345_732
CONTEXT, WIDTH = 77, 768
TOKENIZER = Path(__file__).resolve().parents[1] / "models" / "emoji-128" / "tokenizer"


def unet_config() -> dict:
    return {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 2,
        "block_out_channels": (192, 384, 576),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 8,
        "norm_num_groups": 32,
    }


def anchor_unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(**unet_config())
    count = sum(parameter.numel() for parameter in unet.parameters())
    if count != PARAMETERS:
        raise RuntimeError(f"the UNet has {count} parameters, expected {PARAMETERS}")
    return unet


def write_anchor(out: Path, unet: UNet2DConditionModel) -> None:
    width = unet.config.cross_attention_dim
    vocabulary = len(json.loads((TOKENIZER / "vocab.json").read_text()))
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=width,
            num_hidden_layers=1,
            num_attention_heads=8,
            max_position_embeddings=CONTEXT,
            bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1,
        )
    )
    vae = AutoencoderKL(
        sample_size=128,
        latent_channels=4,
        block_out_channels=(32,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        mid_block_add_attention=False,
    )
    write_component(out / "text_encoder", clip, text_encoder_graph)
    write_component(out / "unet", unet, lambda module: unet_graph(module, CONTEXT))
    write_component(out / "vae_decoder", vae, lambda module: vae_decoder_graph(module, 4, (16, 16)))
    write_tokenizer(out / "tokenizer")
    DDIMScheduler(clip_sample=False, set_alpha_to_one=False).save_config(out / "scheduler")
    index = {"_class_name": "OnnxStableDiffusionPipeline", "scheduler": ["diffusers", "DDIMScheduler"]}
    (out / "model_index.json").write_text(json.dumps(index) + "\n")


def write_tokenizer(folder: Path) -> None:
    shutil.copytree(TOKENIZER, folder)
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_max_length": CONTEXT}, indent=2) + "\n")


def write_component(folder: Path, module: nn.Module, graph_of) -> None:
    """Both graphs over one file of fp16 weights, as trainer/export.py writes them."""
    print(f"exporting {folder.name}", file=sys.stderr, flush=True)
    folder.mkdir(parents=True)
    # The exporter stores equal tensors once, under one of their names: what begins as zeros or ones must not stay so.
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
    graph: Graph = graph_of(module.half().float().eval())
    float32 = half_weights(export_graph(graph, folder / "model.onnx"))
    write_with_shared_weights({"model.onnx": float32, "model.fp16.onnx": half_compute(float32)}, folder)
    config = module.config.to_dict() if isinstance(module, CLIPTextModel) else dict(module.config)
    (folder / "config.json").write_text(json.dumps(config, default=str) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():
        sys.exit("expected one argument, a folder that does not exist yet")
    write_anchor(Path(sys.argv[1]), anchor_unet())
