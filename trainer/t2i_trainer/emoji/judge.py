"""The judge: a classifier of composed images, trained apart from the model, that says what a generated image shows."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import read_json, write_json
from ..networks.autoencoder import ResidualBlock
from ..networks.weights import save_weights
from .scene import BACKGROUNDS, COLOURS, SCENES

SIDE = 128
GROUNDS = (*BACKGROUNDS, *SCENES)
TINTS = ("own", *COLOURS)
COUNTS = (1, 2, 3, 4, 5, "many")
# Share of a training batch that shows nothing that has a name.
NOTHING = 0.1
NOT_ASKED = -100


def plain_body() -> nn.Module:
    """Convolutions in a row."""
    layers: list[nn.Module] = []
    for inner, outer in ((3, 32), (32, 48), (48, 96), (96, 160), (160, 224)):
        layers += [nn.Conv2d(inner, outer, 3, 2, padding=1), nn.BatchNorm2d(outer), nn.SiLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(224 * 16, 384), nn.SiLU())


def residual_body() -> nn.Module:
    """Pixel-unshuffle, residual blocks, and the mean of all places beside them: sees images otherwise than
    `plain_body`, so that what one of them mistakes the other need not."""
    return nn.Sequential(
        nn.PixelUnshuffle(4), nn.Conv2d(48, 64, 5, 2, padding=2), ResidualBlock(64),
        nn.Conv2d(64, 128, 3, 2, padding=1), ResidualBlock(128), nn.AvgPool2d(2), nn.GroupNorm(8, 128), nn.SiLU(),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128 * 16, 384), nn.SiLU(),
    )  # fmt: skip


BODIES = {"plain": plain_body, "residual": residual_body}


class Judge(nn.Module):
    """Images [n, 3, 128, 128] in -1..1 to logits by question: the thing, a second thing, background, colour (first: the
    thing's own), count. The last answer for a thing is "none"."""

    def __init__(self, concepts: int, body: str = "plain"):
        super().__init__()
        self.concepts, self.kind = concepts, body
        self.sizes = {
            "concept": concepts + 1, "second": concepts + 1, "background": len(GROUNDS), "colour": len(TINTS),
            "count": len(COUNTS),
        }  # fmt: skip
        self.body = BODIES[body]()
        self.heads = nn.ModuleDict({name: nn.Linear(384, size) for name, size in self.sizes.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.body(images)
        return {name: head(features) for name, head in self.heads.items()}

    def save(self, folder: Path, record: dict) -> None:
        save_weights(self, folder / "judge.safetensors")
        write_json(folder / "judge.json", {"concepts": self.concepts, "body": self.kind, **record})

    @classmethod
    def load(cls, folder: Path) -> "Judge":
        record = read_json(folder / "judge.json")
        judge = cls(record["concepts"], record["body"])
        judge.load_state_dict(load_file(folder / "judge.safetensors"))
        return judge.eval()


def second_concept(sample: dict) -> int | None:
    """The other thing that an image shows, if any."""
    others = [p["concept"] for p in sample["placements"] if p["concept"] != sample["placements"][0]["concept"]]
    return others[0] if others else None


def labels(samples: list[dict], concepts: int) -> dict[str, Tensor]:
    """The right answers for lines of samples.jsonl."""
    seconds = [second_concept(sample) for sample in samples]
    counts = [min(len(sample["placements"]), len(COUNTS)) - 1 for sample in samples]
    return {
        "concept": torch.tensor([sample["placements"][0]["concept"] for sample in samples]),
        "second": torch.tensor([concepts if second is None else second for second in seconds]),
        "background": torch.tensor([GROUNDS.index(sample["background"]) for sample in samples]),
        "colour": torch.tensor([TINTS.index(sample["placements"][0]["colour"] or "own") for sample in samples]),
        "count": torch.tensor(counts),
    }


def to_judge(pixels: np.ndarray) -> Tensor:
    """uint8 [n, s, s, 3] as float32 [n, 3, 128, 128] in -1..1."""
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return images if images.shape[-1] == SIDE else F.interpolate(images, SIDE, mode="bilinear", antialias=True)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """What generated images do and composed ones do not: noise, small shifts of brightness, and a little blur in half
    of them (a judge that is used to blur calls a blot a thing)."""
    n = len(images)
    blurred = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = (2 * torch.rand((n, 1, 1, 1), generator=generator) - 1).clamp_min(0)
    gain = 1 + 0.12 * (torch.rand((n, 3, 1, 1), generator=generator) - 0.5)
    noise = 0.08 * torch.rand((n, 1, 1, 1), generator=generator) * torch.randn(images.shape, generator=generator)
    return torch.lerp(images, blurred, amount) * gain + noise


def with_nothing(
    images: Tensor, answers: dict[str, Tensor], concepts: int, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Puts images that show nothing in the place of the first ones of a batch: patches of 16 px of several images,
    mixed, or an image blurred to a blot. No other question is asked of these."""
    count = round(len(images) * NOTHING)
    patches = F.unfold(images[:count], 16, stride=16)
    order = torch.rand(patches.shape[0] * patches.shape[2], generator=generator).argsort()
    mixed = patches.transpose(1, 2).flatten(0, 1)[order].unflatten(0, (count, -1)).transpose(1, 2)
    mixed = F.fold(mixed, images.shape[-2:], 16, stride=16)
    blots = F.interpolate(F.avg_pool2d(images[:count], 16), images.shape[-2:], mode="bilinear")
    chosen = (torch.rand((count, 1, 1, 1), generator=generator) < 0.5).float()
    images = torch.cat([torch.lerp(blots, mixed, chosen), images[count:]])
    changed = {}
    for name, answer in answers.items():
        nothing = concepts if name in ("concept", "second") else NOT_ASKED
        changed[name] = torch.cat([torch.full((count,), nothing), answer[count:]])
    return images, changed


@torch.no_grad()
def ask(judge: Judge, pixels: np.ndarray, batch: int = 128) -> dict[str, Tensor]:
    """The judge's first choice for each image, by question."""
    parts = [judge(to_judge(pixels[i : i + batch])) for i in range(0, len(pixels), batch)]
    return {name: torch.cat([part[name] for part in parts]).argmax(1) for name in judge.sizes}


@torch.no_grad()
def features(judge: Judge, pixels: np.ndarray, batch: int = 128) -> Tensor:
    """What the judge sees before it answers, [n, 384]."""
    return torch.cat([judge.body(to_judge(pixels[i : i + batch])) for i in range(0, len(pixels), batch)])
