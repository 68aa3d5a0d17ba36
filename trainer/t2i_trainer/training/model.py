"""The denoiser of a project: made from its parameters, or taken from a diffusers folder, with its noise schedule."""

import hashlib
from pathlib import Path
from typing import Any

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel

from ..files import read_json, sha256_file
from ..networks.denoiser import load_unet
from ..networks.weights import as_invalid
from ..params import DDPMSchedulerParams, Section, UnetParams
from ..stage import warn
from .options import DiffuserOptions

# Options of `unet` that an `init_from` folder does not decide: latents of another size may be trained on, and dropout
# has no weights.
OURS = ("init_from", "image_size", "dropout")


def unet_from_params(unet: UnetParams) -> UNet2DConditionModel:
    """A new UNet, its weights drawn from torch's random numbers. On the `meta` device it costs nothing."""
    return UNet2DConditionModel(sample_size=unet.image_size, **unet.model_dump(exclude={"init_from", "image_size"}))


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
        _warn_of_others("unet", options.unet, dict(unet.config), OURS)
        unet.register_to_config(sample_size=options.unet.image_size, dropout=options.unet.dropout)
        for module in unet.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = options.unet.dropout
    if options.training.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    return unet.train(), schedule


def new_schedule(schedule: DDPMSchedulerParams) -> DDPMScheduler:
    """The noise schedule of the section `DDPMScheduler`; latents are never clipped."""
    values = schedule.model_dump()
    return DDPMScheduler(clip_sample=False, num_train_timesteps=values.pop("T"), **values)


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's weights and its config.json."""
    digest = hashlib.sha256()
    for path in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        digest.update(f"{path.name} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def _load(folder: Path) -> UNet2DConditionModel:
    hint = "Weights must be safetensors: files that would run code as they are read are not read."
    with as_invalid(f"unet.init_from: {folder}/unet cannot be read", hint):
        return load_unet(folder / "unet")


def _folder_schedule(folder: Path, asked: DDPMSchedulerParams) -> DDPMScheduler:
    """The noise schedule that a folder was trained with, in whatever sampler's form it is stored; that of the options
    where it has none."""
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        return new_schedule(asked)
    own = {"num_train_timesteps" if name == "T" else name: name for name in type(asked).model_fields}
    stored = {key: value for key, value in read_json(path).items() if key in own}
    _warn_of_others("DDPMScheduler", asked, {own[key]: value for key, value in stored.items()}, ())
    return DDPMScheduler(clip_sample=False, **stored)


def _warn_of_others(section: str, asked: Section, taken: dict[str, Any], ours: tuple[str, ...]) -> None:
    """Warns of parameters that were set but that the folder decides otherwise."""
    for name, field in type(asked).model_fields.items():
        value, found = getattr(asked, name), taken.get(name)
        found = tuple(found) if isinstance(found, list) else found
        if name not in ours and value not in (field.default, found):
            warn(f"{section}.{name}: {found} of unet.init_from is used, not {value}")
