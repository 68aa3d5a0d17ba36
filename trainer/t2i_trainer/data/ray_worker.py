"""The actors of work on Ray, and what they send back."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ray
from safetensors.torch import load, save

from ..stage import Issue, StageError, describe, warn
from .batches import in_batches
from .work import Failure, Outcome, Work


class Tally:
    """How often each batch was begun since it was last done."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def begin(self, start: int) -> int:
        self.counts[start] = self.counts.get(start, 0) + 1
        return self.counts[start]

    def end(self, start: int) -> None:
        self.counts.pop(start, None)


class Worker:
    """An actor: does the work of the batches it is given."""

    def __init__(
        self,
        recipe: Callable[[], Work[Any, Outcome]],
        items: Sequence[Any],
        size: int,
        project: Path,
        tally: Any,
        tries: int,
    ) -> None:
        """`tries`: how often a batch may be begun, which `tally`, a `Tally`, counts."""
        self.recipe, self.items, self.size = recipe, items, size
        self.project, self.tally, self.tries = project, tally, tries
        self.work: Work[Any, Outcome] | None = None
        self.at_once = size

    def __call__(self, row: dict[str, int]) -> dict[str, object]:
        """What is made of the batch from this item on, as `kinds` and `data`: warnings, then each outcome or an
        error."""
        messages: list[tuple[str, bytes]] = []
        try:
            outcomes = self.outcomes(row["start"], lambda said: messages.append(("warning", said.encode())))
            messages += map(sent, outcomes)
        except Exception as error:
            messages.append(("error", json.dumps(describe(error)).encode()))
        return {
            "start": row["start"],
            "machine": socket.gethostname(),
            "kinds": [kind for kind, _ in messages],
            "data": [data for _, data in messages],
        }

    def outcomes(self, start: int, tell: Callable[[str], None]) -> list[Outcome]:
        batch = self.items[start : start + self.size]
        if not self.project.is_dir():
            issue = Issue("--on ray", f"the project at {self.project} on every machine", "no such folder")
            raise StageError("OPTION_INVALID", "the project is not there", "Mount it at the same path.", (issue,))
        if (begun := ray.get(self.tally.begin.remote(start))) > self.tries:
            message = f"a worker ended {begun - 1} times, each with the same {len(batch)} items, from {batch[0]} on"
            hint = "The system ends processes so where memory runs out: use smaller batches, or fewer workers."
            raise StageError("STAGE_FAILED", message, hint)
        if self.work is None:
            self.work = self.recipe()
        parts = list(in_batches(batch, self.at_once, self.work, tell))
        self.at_once = max(len(part) for part, _ in parts)
        self.tally.end.remote(start)
        return [outcome for _, outcomes in parts for outcome in outcomes]


def sent(outcome: Outcome) -> tuple[str, bytes]:
    """What is made of an item, as it goes through the cluster."""
    if isinstance(outcome, Failure):
        return "failure", outcome.reason.encode()
    if isinstance(outcome, str):
        return "text", outcome.encode()
    return "row", save({name: tensor.contiguous() for name, tensor in outcome.items()})


def received(row: dict[str, Any]) -> Iterator[Outcome]:
    """The outcomes of a batch; its warnings are told. Raises StageError for an error."""
    for kind, data in zip(row["kinds"], row["data"], strict=True):
        if kind == "row":
            yield load(data)
        elif kind == "text":
            yield data.decode()
        elif kind == "failure":
            yield Failure(data.decode())
        elif kind == "warning":
            warn(f"{row['machine']}: {data.decode()}")
        else:
            error = json.loads(data)
            issues = tuple(
                Issue(issue["option"], issue["expected"], f"{issue['received']}, on {row['machine']}")
                for issue in error["issues"]
            )
            raise StageError(error["code"], f"{row['machine']}: {error['message']}", error["hint"], issues)
