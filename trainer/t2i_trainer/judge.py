"""The judge: a classifier of composed pictures, trained apart from the model, that says what a generated picture
shows."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from .compose import BACKGROUNDS, COLOURS, SCENES
from .files import read_json, write_atomically, write_json

SIDE = 64
GROUNDS = (*BACKGROUNDS, *SCENES)
TINTS = ("own", *COLOURS)
COUNTS = (1, 2, 3, 4)


class Judge(nn.Module):
    """Pictures [n, 3, 64, 64] in -1..1 to logits: concept, background, colour (first: the thing's own), count."""

    def __init__(self, concepts: int):
        super().__init__()
        self.sizes = {"concept": concepts, "background": len(GROUNDS), "colour": len(TINTS), "count": len(COUNTS)}
        layers: list[nn.Module] = []
        for inner, outer, stride in (
            (3, 32, 2),
            (32, 64, 2),
            (64, 128, 2),
            (128, 128, 1),
            (128, 192, 2),
            (192, 192, 1),
        ):
            layers += [nn.Conv2d(inner, outer, 3, stride, padding=1), nn.BatchNorm2d(outer), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(192 * 16, 384), nn.SiLU())
        self.heads = nn.ModuleDict({name: nn.Linear(384, size) for name, size in self.sizes.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        features = self.body(pictures)
        return {name: head(features) for name, head in self.heads.items()}

    def save(self, folder: Path, record: dict) -> None:
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        write_atomically(folder / "judge.safetensors", lambda path: save_file(tensors, path))
        write_json(folder / "judge.json", {"concepts": self.sizes["concept"], **record})

    @classmethod
    def load(cls, folder: Path) -> "Judge":
        judge = cls(read_json(folder / "judge.json")["concepts"])
        judge.load_state_dict(load_file(folder / "judge.safetensors"))
        return judge.eval()


def labels(scenes: list[dict]) -> dict[str, Tensor]:
    """The right answers for lines of samples.jsonl."""
    return {
        "concept": torch.tensor([scene["concept"] for scene in scenes]),
        "background": torch.tensor([GROUNDS.index(scene["background"]) for scene in scenes]),
        "colour": torch.tensor([TINTS.index(scene["colour"] or "own") for scene in scenes]),
        "count": torch.tensor([COUNTS.index(scene["count"]) for scene in scenes]),
    }


def shrink(pixels: np.ndarray) -> Tensor:
    """uint8 [n, s, s, 3] averaged down to the judge's side, float32 [n, 3, 64, 64] in -1..1."""
    factor = pixels.shape[1] // SIDE
    small = pixels.reshape(len(pixels), SIDE, factor, SIDE, factor, 3).astype(np.float32).mean((2, 4))
    return torch.from_numpy(small).permute(0, 3, 1, 2).div(127.5).sub(1).contiguous()


def augment(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """What generated pictures do and composed ones do not: blur, noise, small shifts of brightness and place."""
    n = len(pictures)
    blurred = F.avg_pool2d(F.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = torch.rand((n, 1, 1, 1), generator=generator)
    moved = torch.lerp(pictures, blurred, amount)
    shift = torch.randint(-3, 4, (2,), generator=generator).tolist()
    moved = torch.roll(moved, shift, dims=(2, 3))
    gain = 1 + 0.16 * (torch.rand((n, 3, 1, 1), generator=generator) - 0.5)
    return moved * gain + 0.1 * torch.rand((n, 1, 1, 1), generator=generator) * torch.randn(
        pictures.shape, generator=generator
    )


@torch.no_grad()
def ask(judge: Judge, pixels: np.ndarray, batch: int = 256) -> dict[str, Tensor]:
    """The judge's first choice for each picture, by question."""
    parts = [judge(shrink(pixels[i : i + batch])) for i in range(0, len(pixels), batch)]
    return {name: torch.cat([part[name] for part in parts]).argmax(1) for name in judge.sizes}
