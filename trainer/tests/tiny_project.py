"""A project in miniature: images with captions, and random networks in the files of pretrained ones."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tiny_training import TRAINING, UNET
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPImageProcessorPil,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    RobertaTokenizer,
)

from t2i_trainer.data.embeddings import EmbedOptions, embed
from t2i_trainer.data.latents import LatentOptions, prepare_latents
from t2i_trainer.data.layout import DataFolder
from t2i_trainer.golden.tiny_networks import modules
from t2i_trainer.golden.tiny_tokenizer import write_tokenizer_json

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>", "<image>")
# Positions of the image for the text model: 4 x 4 patches, and their mean.
IMAGE_TOKENS = 17
CAPTIONS = ("a red rose", "two tulips", "a daisy on white", "the sun", "a blue house", "a cat and a dog")


def write_images(data: DataFolder, count: int = 6, size: tuple[int, int] = (40, 32)) -> DataFolder:
    """`count` images of `size` (width, height), named image-0 and so on, with captions."""
    data.images.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        values = np.random.default_rng(index).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(values).resize(size, Image.Resampling.BICUBIC).save(data.images / f"image-{index}.png")
        data.write_caption(f"image-{index}", f"{CAPTIONS[index % len(CAPTIONS)]} {index}")
    return data


def write_models(folder: Path, seed: int = 0) -> None:
    """`clip`, a text encoder of 16 positions with its tokenizer, and `vae`, an autoencoder of factor 4."""
    clip, _, vae = modules(seed, channels=4, factor=4, sample_size=8)
    write_tokenizer_json(folder / "clip")
    clip.save_pretrained(folder / "clip")
    vae.register_to_config(scaling_factor=0.5, shift_factor=0.125)
    vae.save_pretrained(folder / "vae")


def write_prepared(project: Path) -> None:
    """A project whose ten images, 32 pixels wide, have latents 8 wide and embeddings, ready for training."""
    data = write_images(DataFolder(project / "data/raw/dataset"), count=10)
    write_models(project / "models")
    embed(EmbedOptions(model="models/clip", max_length=16), project, data)
    prepare_latents(LatentOptions(model="models/vae", image_size=(32, 32)), project, data)


def train_sections(**training: object) -> dict[str, dict]:
    """Parameters that train on it, by section, with these of `training` changed."""
    return {
        "data": {"train_size": 8, "val_size": 2, "num_workers": 0}, "clip": {"model": "models/clip", "max_length": 16},
        "vae": {"model": "models/vae", "image_size": [32, 32]}, "unet": UNET,
        "training": {**TRAINING, **training}, "mlflow": {"run_name": "mine"},
    }  # fmt: skip


def write_florence(folder: Path) -> None:
    """A Florence-2 of random weights, whose vocabulary is bytes."""
    alphabet = sorted(ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=[], extra_special_tokens={"image_token": "<image>"})
    images = CLIPImageProcessorPil(size={"height": 32, "width": 32}, do_center_crop=False)
    images.image_seq_length = IMAGE_TOKENS
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    text = {
        "model_type": "bart", "vocab_size": len(tokenizer), "d_model": 16, "max_position_embeddings": 256,
        "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "forced_eos_token_id": 2, **ends,
    }  # fmt: skip
    vision = {
        "depths": (1, 1), "patch_size": (7, 3), "patch_stride": (4, 2), "patch_padding": (3, 1),
        "patch_prenorm": (False, True), "embed_dim": (8, 16), "num_heads": (2, 2), "num_groups": (2, 2),
        "window_size": 4, "projection_dim": 16,
    }  # fmt: skip
    config = Florence2Config(vision_config=vision, text_config=text, image_token_id=tokenizer.image_token_id, **ends)
    model = Florence2ForConditionalGeneration(config)
    with torch.no_grad():
        # Random weights repeat one byte: this one can be read.
        model.model.language_model.shared.weight[vocabulary["x"]] += 0.5
    model.save_pretrained(folder)
    Florence2Processor(images, tokenizer).save_pretrained(folder)
