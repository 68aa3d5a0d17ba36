"""Work of a model as a job of Ray Data: actors on the machines of a cluster hold the model, and each batch comes back
in the order of the items, once, however many actors died over it.

The folder of the project must be at the same path on every machine. This package is sent to them.
"""

import dataclasses
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import ray
import ray.data
from ray.data.block import BlockAccessor
from ray.exceptions import RayError

from ..stage import Issue, StageError
from .ray_worker import Tally, Worker, received
from .work import Outcome, Work

T = TypeVar("T")
R = TypeVar("R", bound=Outcome)
PACKAGE = Path(__file__).resolve().parents[1]
# Of how many parts, at most, the batches make. A part is what an actor that dies starts anew.
PARTS = 2000
# How often a batch is begun before it is held to be what ends its actors.
TRIES = 3
CONNECT_SECONDS = 10
# A thread that takes longer hangs, and would so for ever.
SETTLE_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class RayOptions:
    """Which cluster, and how much of it."""

    address: str = dataclasses.field(
        default="local", metadata={"help": "HOST:PORT, auto for this machine's cluster, local for one of its own"}
    )
    workers: int | None = dataclasses.field(
        default=None, metadata={"help": "actors, 1 or more; None for one a GPU or, without GPUs, one a machine"}
    )


def on_ray(
    options: RayOptions, project: Path, work: Work[T, R], items: Sequence[T], size: int
) -> Iterator[tuple[Sequence[T], Sequence[R]]]:
    """A `Place`. Raises StageError for a cluster that cannot be reached, for what fails in an actor, with the name of
    its machine, and for a batch that ends its actors."""
    if not items:
        return
    connect(options)
    others = set(threading.enumerate())
    try:
        tally = ray.remote(num_cpus=0)(Tally).remote()
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        starts = [{"start": start} for start in range(0, len(items), size)]
        made = ray.data.from_items(starts, override_num_blocks=min(len(starts), PARTS)).map(
            Worker, fn_constructor_args=(work.recipe(), items, size, project, tally, TRIES), **share(options)
        )
        for row in rows_of(made):
            batch = items[row["start"] : row["start"] + size]
            # What is sent is received as what it was.
            yield batch, cast(list[R], list(received(row)))
    except RayError as error:
        raise StageError(
            "STAGE_FAILED",
            f"the Ray cluster failed: {str(error).strip().splitlines()[0]}",
            "The same command goes on where it stopped.",
        ) from error
    finally:
        # Ray ends the process of a thread that comes to it after this.
        for thread in set(threading.enumerate()) - others:
            thread.join(SETTLE_SECONDS)
        ray.shutdown()


def rows_of(dataset: ray.data.Dataset) -> Iterator[dict[str, Any]]:
    """The rows in their order. Unlike `iter_rows` it fetches nothing ahead, in a thread that nobody stops when this
    ends early."""
    for bundle in dataset.iter_internal_ref_bundles():
        for block in map(ray.get, bundle.block_refs):
            yield from BlockAccessor.for_block(block).iter_rows(public_row_format=True)


def connect(options: RayOptions) -> None:
    """Connects to the cluster, or starts one of this machine. Raises StageError."""
    if options.workers is not None and options.workers < 1:
        issue = Issue("--ray-workers", "1 or more", str(options.workers))
        raise StageError("OPTION_INVALID", "no work is done without workers", None, (issue,))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own: dict[str, Any] = {}
    try:
        if options.address == "local":
            own = {"num_cpus": max(os.cpu_count() or 1, options.workers or 1), "include_dashboard": False}
        elif options.address != "auto":
            # Ray itself tries for minutes.
            host, _, port = options.address.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(
            address=options.address,
            runtime_env={"py_modules": [str(PACKAGE)]},
            log_to_driver=False,
            logging_level="ERROR",
            **own,
        )
    except (OSError, RuntimeError, ValueError, OverflowError) as error:
        raise StageError(
            "OPTION_INVALID",
            f"the Ray cluster {options.address} cannot be reached",
            "ray status --address HOST:PORT says whether it runs; without --ray-address, one is started here.",
            (Issue("--ray-address", "a cluster that can be reached", f"{options.address}: {reason(error)}"),),
        ) from error


def reason(error: Exception) -> str:
    """Why a cluster cannot be reached, in a line. What Ray raises says it in the last of its causes."""
    if "InvalidAuthToken" in f"{error} {error.__cause__}":
        return "it takes a token (set RAY_AUTH_MODE=token, with the cluster's token in ~/.ray/auth_token)"
    return str(error).strip().splitlines()[0]


def share(options: RayOptions) -> dict[str, Any]:
    """How many actors, and what each has: a GPU, or its part of a machine's CPUs."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    gpus = sum(int(machine.get("GPU", 0)) for machine in machines)
    workers = options.workers or gpus or len(machines)
    pool = {"compute": ray.data.ActorPoolStrategy(size=workers)}
    if gpus:
        return {**pool, "num_gpus": min(1, gpus / workers)}
    together = -(-workers // len(machines))
    return {**pool, "num_cpus": max(1, min(int(machine["CPU"]) for machine in machines) // together)}
