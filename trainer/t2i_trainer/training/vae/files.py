"""What the training of an autoencoder leaves: `vae/` in diffusers' layout, and `vae.json`, which says it is done."""

from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL

from ...files import read_json, read_json_lines, sha256_file, write_json
from ...networks.weights import save_config, save_weights
from ..run_folder import WEIGHTS, RunFolder


def write_autoencoder(model: AutoencoderKL, folder: Path) -> None:
    """The weights as float32 safetensors, and the configuration."""
    save_weights(model, folder / WEIGHTS)
    save_config(model, folder)


def write_record(folder: RunFolder, facts: dict[str, Any]) -> None:
    """`vae.json`: `facts`, the scaling factor of the latents, the losses of every epoch (the first line is from before
    training), and the hashes of the files of `vae/`."""
    losses = read_json_lines(folder.metrics)
    figures = ("step", "train_vae_loss", "val_vae_loss", "val_l1", "val_mse", "val_kl")
    written = folder.folder / "vae"
    record = {
        **facts,
        "scaling_factor": read_json(written / "config.json")["scaling_factor"],
        "losses": [{name: line[name] for name in figures} for line in losses],
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for path in (written / "config.json", written / WEIGHTS)
        },
    }
    write_json(folder.folder / "vae.json", record)
