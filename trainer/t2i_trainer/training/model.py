"""The denoiser of a project: made from its parameters, or taken from a diffusers folder, with its noise schedule."""

import dataclasses
import hashlib
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from ..files import read_json, sha256_file
from ..networks.denoiser import load_unet
from ..stage import StageError, warn
from .options import DiffuserOptions, ScheduleOptions, UNetOptions

# Options of `unet` that an `init_from` folder does not decide: latents of another size may be trained on, and dropout
# has no weights.
OURS = ("init_from", "image_size", "dropout")


def unet_from_params(unet: UNetOptions) -> UNet2DConditionModel:
    """A new UNet, its weights drawn from torch's random numbers. On the `meta` device it costs nothing."""
    config = {key: value for key, value in dataclasses.asdict(unet).items() if key not in ("init_from", "image_size")}
    return UNet2DConditionModel(sample_size=unet.image_size, **config)


def new_model(options: DiffuserOptions) -> tuple[UNet2DConditionModel, DDPMScheduler]:
    """The UNet to train and its noise schedule.

    From `unet.init_from` come the architecture, the weights (safetensors alone) and the noise schedule; options that
    say otherwise are warned of. Raises StageError where the folder cannot be read.
    """
    folder = options.unet.init_from
    torch.manual_seed(options.training.seed)
    if folder is None:
        unet, schedule = unet_from_params(options.unet), new_schedule(options.schedule)
    else:
        unet = _load(Path(folder))
        schedule = _folder_schedule(Path(folder), options.schedule)
        _warn_of_others("unet", options.unet, UNetOptions(), dict(unet.config), OURS)
        unet.register_to_config(sample_size=options.unet.image_size, dropout=options.unet.dropout)
        for module in unet.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = options.unet.dropout
    if options.training.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    return unet.train(), schedule


def new_schedule(schedule: ScheduleOptions) -> DDPMScheduler:
    """The noise schedule of the section `DDPMScheduler`; latents are never clipped."""
    return DDPMScheduler(clip_sample=False, **dataclasses.asdict(schedule))


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's weights and its config.json."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        digest.update(f"{path.name} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def _load(folder: Path) -> UNet2DConditionModel:
    try:
        return load_unet(folder / "unet")
    except (OSError, ValueError, RuntimeError) as error:
        hint = "Weights must be safetensors: files that would run code as they are read are not read."
        raise StageError("MODEL_INVALID", f"unet.init_from: {folder}/unet cannot be read: {error}", hint) from error


def _folder_schedule(folder: Path, asked: ScheduleOptions) -> DDPMScheduler:
    """The noise schedule that a folder was trained with, in whatever sampler's form it is stored; that of the options
    where it has none."""
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        return new_schedule(asked)
    known = {field.name for field in dataclasses.fields(ScheduleOptions)}
    stored = {key: value for key, value in read_json(path).items() if key in known}
    _warn_of_others("DDPMScheduler", asked, ScheduleOptions(), stored, ())
    return DDPMScheduler(clip_sample=False, **stored)


def _warn_of_others(
    section: str, asked: object, default: object, taken: dict[str, object], ours: tuple[str, ...]
) -> None:
    """Warns of options that were set but that the folder decides otherwise."""
    for field in dataclasses.fields(asked):  # type: ignore[arg-type]
        value = getattr(asked, field.name)
        found = taken.get(field.name)
        found = tuple(found) if isinstance(found, list) else found
        if field.name not in ours and value != getattr(default, field.name) and value != found:
            warn(f"{section}.{field.name}: {found} of unet.init_from is used, not {value}")
