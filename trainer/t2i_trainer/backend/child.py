"""The child process of a session: answers the SDK's calls, one at a time, until the SDK's process is gone.

The messages are those of src/backends/process/messages.ts, in frames. `load` opens a model, `draw` draws an image.
"""

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ..stage import StageError, describe
from .frames import read_frame, write_frame

# What PyTorch says where an error of the GPU stays until its process ends (CUDA's documentation of cudaError_t).
STICKY = ("CUDA error", "device-side assert", "CUBLAS_STATUS", "CUDNN_STATUS_EXECUTION_FAILED")
TOO_LITTLE_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class Child:
    """Reads in a thread of its own, so that an abort arrives in the middle of a call, and an end at once."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO):
        self.requests, self.replies = requests, replies
        self.calls: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.aborted = threading.Event()
        self.model: Any = None

    def serve(self) -> None:
        """Says that it is ready, or why PyTorch cannot be loaded; then answers for ever."""
        threading.Thread(target=self._read, daemon=True).start()
        try:
            import torch

            from . import loading, model  # noqa: F401
        except Exception as error:
            self._say({"type": "unavailable", "reason": f"{type(error).__name__}: {error}"})
            return
        torch.set_grad_enabled(False)
        self._say({"type": "ready"})
        while True:
            self._say(self._answer(self.calls.get()))

    def _read(self) -> None:
        try:
            while True:
                request = read_frame(self.requests)
                if request["type"] == "abort":
                    self.aborted.set()
                else:
                    self.aborted.clear()
                    self.calls.put(request)
        finally:
            # The SDK's process is gone: nobody waits for what is still being computed.
            os._exit(0)

    def _say(self, reply: dict[str, Any]) -> None:
        write_frame(self.replies, reply)

    def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        from .model import Aborted

        methods: dict[str, Callable[..., object]] = {"load": self._load, "draw": self._draw}
        try:
            return {"type": "done", "result": methods[call["method"]](call["value"], call["watched"])}
        except Aborted:
            return {"type": "aborted"}
        except Exception as error:
            return {"type": "failed", **failure(error)}

    def _load(self, request: dict[str, Any], _watched: bool) -> dict[str, str]:
        import diffusers
        import torch

        from .loading import choose_device, load
        from .model import Latent, Model

        if request["threads"] is not None:
            torch.set_num_threads(request["threads"])
        device = choose_device(request["device"])
        self._say({"type": "opening", "path": request["dir"]})
        networks = load(Path(request["dir"]), request["weights"], tuple(request["imageSize"]))
        latent = Latent(request["latentChannels"], request["scalingFactor"], request["shiftFactor"])
        self.model = Model(networks, latent, device)
        return {"runtime": f"torch {torch.__version__} ({device.type}, diffusers {diffusers.__version__})"}

    def _draw(self, job: dict[str, Any], watched: bool) -> dict[str, Any]:
        on_step = (lambda event: self._say({"type": "event", "event": event})) if watched else None
        return self.model.draw(job, on_step, self.aborted.is_set)


def failure(error: Exception) -> dict[str, object]:
    """Code, message, hint and issues of a failed call, as the SDK has them."""
    text = str(error)
    if isinstance(error, RuntimeError):
        if any(words in text for words in TOO_LITTLE_MEMORY):
            error = MemoryError(text)
        elif any(words in text for words in STICKY):
            error = StageError("DEVICE_LOST", text.split("\n")[0])
        elif not isinstance(error, NotImplementedError):
            hint = "The networks of the model contradict each other or the requested size; try the native size."
            error = StageError("BACKEND_FAILED", f"PyTorch failed while it ran the model: {text}", hint)
    told = describe(error)
    if told["code"] == "OUT_OF_MEMORY":
        told["hint"] = "Ask for a smaller image, or use a machine with more memory."
    # The SDK has no null where a hint is missing.
    return {key: value for key, value in told.items() if value is not None}


def main() -> None:
    """Serves on standard input and output; what libraries print is sent to standard error."""
    # Ctrl-C reaches every process of the terminal; whether it ends the job is the caller's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Child(sys.stdin.buffer, replies).serve()
