"""Installs what the container of the framework lacks. Standard library only."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK_FILE = Path(__file__).resolve().parents[2] / "requirements.lock"

# What a training imports, by the names of modules and of packages. PyTorch is the container's own.
PACKAGES = {
    "diffusers": "diffusers", "transformers": "transformers", "safetensors": "safetensors", "pydantic": "pydantic",
    "dotenv": "python-dotenv", "deepspeed": "deepspeed", "PIL": "pillow", "numpy": "numpy",
}  # fmt: skip
# What it imports besides, where it is tracked on a server.
TRACKING = {"mlflow": "mlflow-skinny"}


def missing_packages(params: dict[str, Any]) -> list[str]:
    """`name==version` of what a training with these parameters imports and cannot, as the lock file has it."""
    needed = PACKAGES | (TRACKING if params["mlflow"]["server_uri"] is not None else {})
    versions = dict(
        line.split(" ; ")[0].strip().split("==") for line in LOCK_FILE.read_text().splitlines() if "==" in line
    )
    lacking = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
    return [f"{package}=={versions[package]}" for package in lacking]


def install_missing() -> None:
    """From the channel `wheels` where there is one, else from the package index that pip is set up with."""
    root = Path(os.environ.get("T2I_ML_ROOT", "/opt/ml"))
    if lacking := missing_packages(json.loads((root / "code/params.json").read_text())):
        wheels = root / "input/data/wheels"
        source = ["--no-index", "--find-links", str(wheels)] if wheels.is_dir() else []
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *source, *lacking], check=True, env={**os.environ, "DS_BUILD_OPS": "0"})
