"""The flags of a stage that say where its model works."""

import argparse
import functools
import sys
from pathlib import Path

from ..stage import StageError
from .work import Place, here


def add_place_flags(parser: argparse.ArgumentParser) -> None:
    """`--on`, `--ray-address` and `--ray-workers`, which `place_of` takes."""
    parser.add_argument("--on", choices=("here", "ray"), default="here", help="this process, or the actors of Ray Data")
    parser.add_argument(
        "--ray-address",
        default="local",
        help="HOST:PORT of a cluster, auto for the one of this machine, local for one of its own (default: local)",
    )
    parser.add_argument(
        "--ray-workers", type=int, help="processes with the model (default: one a GPU; without GPUs, one a machine)"
    )


def place_of(project: Path, on: str, ray_address: str, ray_workers: int | None) -> Place:
    """Raises StageError where Ray is asked for and not there: it is imported only then."""
    if on == "here":
        return here
    try:
        from .on_ray import RayOptions, on_ray
    except ImportError as error:
        raise StageError(
            "PYTHON_UNAVAILABLE",
            f"--on ray takes Ray, which {sys.executable} does not have: {error}",
            "Leave out --python, or install ray[data] there.",
        ) from error
    return functools.partial(on_ray, RayOptions(ray_address, ray_workers), project)
