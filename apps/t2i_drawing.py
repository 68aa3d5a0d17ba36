"""Drawings of `t2i serve`, followed while they are drawn.

with Drawing(client, image_request("a red apple", model, n=2)) as drawing:
    for progress in drawing.follow(every=0.5):
        print(progress)
progress.images[0].png
"""

import base64
import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from t2i_client import Client, ServerError


@dataclass(frozen=True)
class Image:
    """A finished image: the bytes of its file, with the receipt that the server wrote into it."""

    seed: int
    png: bytes


Status = Literal["queued", "generating", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class Progress:
    """What is known of a drawing. The indices of `steps_done` and `previews` are those of the images, from 0."""

    n: int
    status: Status = "queued"
    queue_position: int | None = None
    eta_seconds: float | None = None
    # Of each image; None until the first step is done.
    steps: int | None = None
    steps_done: Mapping[int, int] = field(default_factory=dict)
    previews: Mapping[int, bytes] = field(default_factory=dict)
    images: tuple[Image, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    @property
    def fraction(self) -> float:
        """How much of all steps is done, from 0 to 1."""
        if self.status == "completed":
            return 1.0
        return sum(self.steps_done.values()) / (self.n * self.steps) if self.steps else 0.0

    def shows_more_than(self, before: "Progress | None") -> bool:
        """Whether there are previews that were not there before."""
        return bool(self.previews) and (before is None or self.previews is not before.previews)

    def told_after(self, seconds: float) -> str:
        """What is said of it at its end, with what the server warns of."""
        return " ".join([f"{self} in {seconds:.1f} s.", *self.warnings])

    def __str__(self) -> str:
        if self.status == "generating" and self.steps:
            return f"Drawing: {sum(self.steps_done.values())} of {self.n * self.steps} steps"
        if self.status != "queued" or self.queue_position is None:
            words = {"queued": "Sent", "generating": "Drawing", "completed": "Drawn"}
            return words.get(self.status, self.status.capitalize())
        before = "Next in the queue" if self.queue_position == 0 else f"{self.queue_position} before this one"
        return before if self.eta_seconds is None else f"{before}, about {max(1, round(self.eta_seconds))} s"


class Drawing:
    """
    A job, which a thread of its own listens to. Whoever leaves the block before its end ends it, so that the server
    does not draw for nobody.

    `image_request` makes the body. Raises ServerError where the server refuses it.
    """

    def __init__(self, client: Client, body: Mapping[str, object]) -> None:
        self._client = client
        self._job = client.call("POST", "/v1/jobs", body)
        self._changed = threading.Condition()
        self._progress = Progress(int(str(body.get("n") or 1)))
        self._error: ServerError | None = None
        threading.Thread(target=self._listen, name=self._job["id"], daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._progress.is_over:
            self.cancel()

    def follow(self, every: float) -> Iterator[Progress]:
        """
        What is known of it: whenever that is more, and each `every` seconds, so that the caller has its turn. The last
        one is its end. Raises ServerError where it fails, or the server goes away.
        """
        seen = None
        while seen is None or not seen.is_over:
            with self._changed:
                if self._progress is seen and self._error is None:
                    self._changed.wait(every)
                if self._error is not None:
                    raise self._error
                seen = self._progress
            yield seen

    def cancel(self) -> None:
        """Ends it within one step; nothing where it is over, or the server is away."""
        with contextlib.suppress(ServerError):
            self._client.call("POST", self._job["cancel_url"], {})

    def _listen(self) -> None:
        try:
            for name, data in self._client.events(self._job["events_url"]):
                self._tell(after(self._progress, name, data))
                if name == "failed":
                    raise ServerError(f"The image was not drawn: {data['error']['message']}")
            if not self._progress.is_over:
                raise ServerError("The connection ended before the image was drawn.")
        except ServerError as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _tell(self, progress: Progress) -> None:
        with self._changed:
            self._progress = progress
            self._changed.notify_all()


def after(progress: Progress, name: str, data: Any) -> Progress:
    """What is known of a drawing after an event of its job."""
    match name:
        case "status":
            place, eta = data.get("queue_position"), data.get("eta_seconds")
            return replace(progress, status=data["status"], queue_position=place, eta_seconds=eta)
        case "step":
            done = {**progress.steps_done, data["image"]: data["step"]}
            return replace(progress, status="generating", steps=data["steps"], steps_done=done)
        case "preview":
            return replace(progress, previews={**progress.previews, data["image"]: base64.b64decode(data["b64_json"])})
        case "completed":
            images = tuple(Image(each["seed"], base64.b64decode(each["b64_json"])) for each in data["images"])
            warnings = tuple(each["message"] for each in data["warnings"])
            return replace(progress, status="completed", images=images, warnings=warnings)
        case "failed" | "cancelled":
            return replace(progress, status=name)
        case _:
            return progress
