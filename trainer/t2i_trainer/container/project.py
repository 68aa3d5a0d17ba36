"""A project as the container puts it together from its inputs."""

import shutil
from pathlib import Path
from typing import Any

from ..files import read_json, sha256_file, write_json
from .archives import unpack_pushed
from .contract import Container

RECORD = "t2i-job.json"


def assemble(container: Container) -> Path:
    """Makes the folder of the project: data, models, and the run folder, which is that of the checkpoints, so that all
    of it outlives the machine. A container that was started again has a new one."""
    project = container.root / "project"
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    for name in ("data", "models"):
        if channel := container.channel(name):
            unpack_pushed(channel, project)
    container.checkpoints.mkdir(parents=True, exist_ok=True)
    (project / "runs").mkdir()
    (project / "runs" / run_name(container)).symlink_to(container.checkpoints, target_is_directory=True)
    return project


def params_file(container: Container) -> Path:
    return container.root / "code/params.json"


def run_name(container: Container) -> str:
    return read_json(params_file(container))["mlflow"]["run_name"]


def keep_model(container: Container, result: dict[str, Any]) -> None:
    """Copies the run folder without its checkpoints to where the service takes the model from, with the hash of each
    file and what the training says that it made."""
    source, model = container.checkpoints, container.model
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and relative.parts[0] != "checkpoints" and not path.name.endswith(".tmp"):
            (model / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, model / relative)
    files = {
        path.relative_to(model).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(model.rglob("*"))
        if path.is_file()
    }
    write_json(model / RECORD, {"formatVersion": 1, "result": result, "files": files})
