"""What a composed image shows, as plain values: everything that decides its pixels, and nothing else."""

import colorsys
from dataclasses import dataclass

# sRGB, soft enough that an object of the same colour still shows against its background.
BACKGROUNDS = {
    "white": (250, 250, 250), "black": (24, 24, 28), "grey": (150, 152, 156), "red": (214, 58, 58),
    "orange": (242, 148, 54), "yellow": (248, 220, 84),
    "green": (92, 178, 92), "blue": (72, 126, 218), "purple": (142, 88, 190), "pink": (246, 170, 200),
    "brown": (142, 100, 70), "light blue": (168, 214, 246),
}  # fmt: skip
SCENES = (
    "at sunset", "on a grassy meadow", "under a night sky", "on a sandy beach", "in the snow", "under a blue sky",
    "in a forest", "in a flower field",
)  # fmt: skip


def _bright(hue: float) -> tuple[float, float, float]:
    """The colour of a hue, given in turns, as paint would have it."""
    return colorsys.hsv_to_rgb(hue, 0.82, 1.0)


# What a thing is painted in, RGB of 0 to 1; the greys keep the thing's light and shade around one lightness.
COLOURS: dict[str, tuple[float, float, float] | float] = {
    "red": _bright(0.99), "orange": _bright(0.075), "yellow": _bright(0.145), "green": _bright(0.34),
    "blue": _bright(0.6), "purple": _bright(0.77), "pink": _bright(0.91), "brown": (0.58, 0.36, 0.2),
    "white": 0.97, "black": 0.22, "grey": 0.55,
}  # fmt: skip


@dataclass(frozen=True)
class Placement:
    """One thing where it stands. Lengths are fractions of the image's side."""

    concept: int
    colour: str | None  # a key of COLOURS, or the thing's own
    x: float  # of its centre, from the left
    y: float  # of its centre, from the top
    side: float
    angle: float = 0.0  # degrees, counter-clockwise
    mirrored: bool = False
    droplets: bool = False


@dataclass(frozen=True)
class Scene:
    """A background with things on it; later ones cover earlier ones."""

    background: str  # a key of BACKGROUNDS or one of SCENES
    placements: tuple[Placement, ...]
    style: str = "shaded"
    shade: float = 1.0  # brightness of the background

    @classmethod
    def parse(cls, line: dict) -> "Scene":
        """The scene of a line of samples.jsonl."""
        placements = tuple(Placement(**placement) for placement in line["placements"])
        return cls(line["background"], placements, line["style"], line["shade"])
