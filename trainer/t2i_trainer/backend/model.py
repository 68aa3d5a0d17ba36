"""A loaded model and the way of a job through it, one image at a time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..networks.model_folder import Networks
from ..stage import StageError
from .step import ROW_LENGTH, Latents, guide, step

# Prompts whose states are kept: a negative prompt and a handful of prompts come again and again.
KEPT_PROMPTS = 16


# For rows that read none.
NO_NOISE = torch.empty(0)


class Aborted(Exception):
    """The caller gave the image up."""


@dataclass(frozen=True)
class Latent:
    """How the autoencoder's latents stand to those that a denoiser sees."""

    channels: int
    scaling_factor: float
    shift_factor: float


class Model:
    """Runs one image at a time: kernels may round differently by batch size, and an image must be that of its seed."""

    def __init__(self, networks: Networks, latent: Latent, device: torch.device):
        parts: tuple[Any, Any, Any] = networks
        self.text, self.unet, self.vae = (part.to(device) for part in parts)
        self.latent, self.device = latent, device
        self.states: OrderedDict[bytes, Tensor] = OrderedDict()
        self.spent: dict[str, float] = {}

    @torch.inference_mode()
    def draw(
        self, job: dict[str, Any], on_step: Callable[[dict[str, Any]], None] | None, aborted: Callable[[], bool]
    ) -> dict[str, Any]:
        """The image of `job` (src/backends/pytorch/draw-job.ts) and the milliseconds that each network took.

        `on_step` is told each step, with a preview where one is due. Raises Aborted before the forward after
        `aborted`, and StageError BACKEND_FAILED for values that are no numbers.
        """
        self.spent = {"textEncoder": 0.0, "unet": 0.0, "vaeDecoder": 0.0}
        plan, guidance = job["plan"], job["guidance"]
        negative = [] if guidance is None else [guidance["negativeIds"]]
        conditions = torch.cat([self._encode(ids) for ids in [*negative, job["promptIds"]]])
        blocks = self._blocks(job)
        x = plan["initScale"] * next(blocks)
        latents = Latents(x, torch.zeros_like(x))
        rows = plan["rows"].reshape(-1, ROW_LENGTH).tolist()
        for index, (row, timestep) in enumerate(zip(rows, plan["timesteps"].tolist(), strict=True), start=1):
            if aborted():
                raise Aborted
            out = self._predict(latents.x, timestep, conditions, job["guidanceEmbedding"])
            if guidance is not None:
                out = guide(out[:1], out[1:], float(guidance["scale"]))
            latents = step(latents, row, out, next(blocks) if row[6] != 0 else NO_NOISE, plan["clip"])
            if on_step is not None:
                due = job["previewEvery"] > 0 and index % job["previewEvery"] == 0
                on_step({"step": index, "steps": len(rows)} | ({"preview": self._decode(latents.x0)} if due else {}))
        if aborted():
            raise Aborted
        return {"raster": self._decode(latents.x), "timings": self.spent}

    def _blocks(self, job: dict[str, Any]) -> Iterator[Tensor]:
        """The noise, a block for the first latents and one for each row that adds some."""
        shape = (-1, 1, self.latent.channels, job["latentHeight"], job["latentWidth"])
        for block in torch.from_numpy(job["noise"].copy()).reshape(shape):
            yield block.to(self.device)

    def _encode(self, ids: np.ndarray) -> Tensor:
        """Text states of one prompt, [1, states, width]."""
        key = ids.tobytes()
        if key not in self.states:
            with self._timed("textEncoder"):
                states = self.text(torch.from_numpy(ids.astype(np.int64))[None].to(self.device))
                self.states[key] = states if isinstance(states, Tensor) else states[0]
        self.states.move_to_end(key)
        if len(self.states) > KEPT_PROMPTS:
            self.states.popitem(last=False)
        return self.states[key]

    def _predict(self, x: Tensor, timestep: float, conditions: Tensor, guidance: np.ndarray | None) -> Tensor:
        rows = len(conditions)
        condition = None if guidance is None else torch.from_numpy(guidance.copy()).expand(rows, -1).to(self.device)
        with self._timed("unet"):
            when = torch.tensor([timestep], device=self.device)
            return self.unet(x.expand(rows, -1, -1, -1), when, conditions, timestep_cond=condition, return_dict=False)[
                0
            ]

    def _decode(self, latents: Tensor) -> dict[str, Any]:
        """Bytes as diffusers' VaeImageProcessor makes them: clamp(x / 2 + 0.5, 0, 1), then round(255 * y)."""
        with self._timed("vaeDecoder"):
            decoded = self.vae.decode(latents / self.latent.scaling_factor + self.latent.shift_factor)
            image = (decoded if isinstance(decoded, Tensor) else decoded.sample)[0]
        if image.isnan().any():
            hint = "The weights are damaged or overflow; run the model in its original framework to compare."
            raise StageError("BACKEND_FAILED", "The model computed NaN values.", hint)
        rgb = ((image / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
        return {"rgb": rgb.reshape(-1), "width": image.shape[2], "height": image.shape[1]}

    @contextmanager
    def _timed(self, network: str) -> Iterator[None]:
        """Counts what the block takes, to its end on the device."""
        start = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.spent[network] += (time.perf_counter() - start) * 1000
