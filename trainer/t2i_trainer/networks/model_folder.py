"""A complete text-to-image model in diffusers' layout, as a project promotes it: checked before it is loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from ..files import read_json, sha256_file
from ..stage import Issue, StageError
from .autoencoder import TinyAutoencoder, compression_factor, load_autoencoder
from .denoiser import load_unet
from .lora import LORA_FILE, bake_adapters
from .text_encoder import TextEncoder, load_text_encoder
from .weights import as_invalid

PARTS = ("text_encoder", "unet", "vae")
CLASSES = {
    "unet": ("UNet2DConditionModel", "PlacedUNet"),
    "vae": ("AutoencoderKL", "TinyAutoencoder"),
}
# Inputs that neither the trainer nor the SDK gives a denoiser.
FURTHER_INPUTS = {
    "time_cond_proj_dim": (None,), "class_embed_type": (None,), "encoder_hid_dim_type": (None,),
    "addition_embed_type": (None, "text"), "num_class_embeds": (None,),
}  # fmt: skip
PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl")
PUT_BACK = "Files of the promoted model that are damaged are put back by: t2i promote"
CONVERT = "Where you trust the file, `t2i model convert-pickle FILE --i-trust-this-file` makes safetensors of it."


def check_model_folder(folder: Path) -> None:
    """Raises StageError MODEL_INVALID with everything that is missing or that contradicts something else."""
    if not folder.is_dir():
        raise _invalid(folder, [Issue(str(folder), "the folder of a trained model", _instead(folder.parent))])
    issues = [
        Issue(str(folder / file), "a file", "none")
        for file in (*(f"{part}/config.json" for part in PARTS), "scheduler/scheduler_config.json")
        if not (folder / file).is_file()
    ]
    issues += [Issue(f"{folder / part}", "weights in safetensors", found) for part, found in _without_weights(folder)]
    if not (folder / "tokenizer").is_dir():
        issues.append(Issue(str(folder / "tokenizer"), "a folder", "none"))
    if not issues:
        with as_invalid(f"{folder} cannot be read", PUT_BACK):
            issues += contradictions(folder)
    if issues:
        raise _invalid(folder, issues)


def load_promoted(folder: Path, image_size: tuple[int, int]) -> "Networks":
    """As `load_model`, of the model that a project promoted. Raises StageError MODEL_INVALID for damaged files."""
    with as_invalid(f"{folder} cannot be loaded", PUT_BACK):
        # Its files are taken as they are.
        CLIPTokenizer.from_pretrained(folder / "tokenizer")
        return load_model(folder, image_size)


class Networks(NamedTuple):
    """The three networks of a model."""

    text: TextEncoder | CLIPTextModel
    unet: UNet2DConditionModel
    vae: TinyAutoencoder | AutoencoderKL


def load_model(folder: Path, image_size: tuple[int, int]) -> "Networks":
    """Text encoder, denoiser with its adapters baked in, and autoencoder of a checked folder; float32 on the CPU.

    `image_size`: height and width in pixels, for a denoiser that does not say for what size it was trained.
    """
    text, unet, vae = (
        load_text_encoder(folder / "text_encoder"), load_unet(folder / "unet"), load_autoencoder(folder / "vae"),
    )  # fmt: skip
    if unet.config.sample_size is None:
        unet.register_to_config(sample_size=[side // compression_factor(vae) for side in image_size])
    if (folder / LORA_FILE).exists():
        bake_adapters(unet, folder / LORA_FILE)
    return Networks(*(module.float().eval().requires_grad_(False) for module in (text, unet, vae)))


def model_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 in hex of every file that decides what the model draws, by its path."""
    paths = [path for part in (*PARTS, "scheduler", "tokenizer") for path in (folder / part).rglob("*")]
    paths += [path for path in (folder / "model_index.json", folder / LORA_FILE) if path.exists()]
    used = sorted(path for path in paths if path.is_file() and path.suffix not in PICKLES)
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in used}


def _invalid(folder: Path, issues: list[Issue]) -> StageError:
    pickled = any(issue.received.endswith(PICKLES) for issue in issues)
    hint = f"A pickle runs code when it is read, so it is not. {CONVERT}" if pickled else "Promote a finished run."
    words = "; ".join(f"{issue.option}: expected {issue.expected}, received {issue.received}" for issue in issues)
    return StageError("MODEL_INVALID", f"{folder} is not a model that can be used: {words}", hint, tuple(issues))


def _instead(folder: Path) -> str:
    pickles = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLES)
    return f"the pickle {pickles[0]}" if pickles else "none"


def _without_weights(folder: Path) -> list[tuple[str, str]]:
    """Parts without weights in safetensors, with what they hold in their place."""
    parts = [part for part in PARTS if not list((folder / part).glob("*.safetensors"))]
    return [(part, _instead(folder / part)) for part in parts]


def contradictions(folder: Path, further_inputs: Mapping[str, tuple[object, ...]] = FURTHER_INPUTS) -> list[Issue]:
    """What the configurations say that no model here has: other classes, sizes that differ, inputs that are not given.

    `further_inputs`: fields of the denoiser's configuration that stand for such inputs, with what they may hold.
    """
    text, unet, vae = (read_json(folder / part / "config.json") for part in PARTS)
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    issues = []

    def expect(file: str, key: str, expected: tuple[object, ...], received: object) -> None:
        if received not in expected:
            words = " or ".join(str(value) for value in expected)
            issues.append(Issue(f"{folder / file}: {key}", words, str(received)))

    for part, config in (("unet", unet), ("vae", vae)):
        expect(f"{part}/config.json", "_class_name", CLASSES[part], config.get("_class_name"))
    expect("text_encoder/config.json", "model_type", ("clip_text_model",), text.get("model_type"))
    kinds = ("epsilon", "v_prediction", "sample")
    expect("scheduler/scheduler_config.json", "prediction_type", kinds, scheduler.get("prediction_type", "epsilon"))
    channels = (vae.get("latent_channels", 4),)
    for key in ("in_channels", "out_channels"):
        expect("unet/config.json", key, channels, unet.get(key, 4))
    width = (text.get("hidden_size", 512),)
    expect("unet/config.json", "cross_attention_dim", width, unet.get("cross_attention_dim", 1280))
    for key, values in further_inputs.items():
        expect("unet/config.json", key, values, unet.get(key))
    return issues
