"""Chooses scenes and says what they show. A combination that is held out is never chosen for training (see
`held_out`)."""

import dataclasses
import hashlib
import random
from dataclasses import dataclass

from .compose import BACKGROUNDS, COLOURS, COUNT_LAYOUT, COUNT_SCALE, POSITIONS, SCENES, Scene
from .concepts import Concept
from .styles import STYLES

NUMBERS = {2: "two", 3: "three", 4: "four"}
# What stands before a plain name; the model should not care.
OPENINGS = ("", "", "", "a picture of ", "a photo of ", "an image of ")
USUAL_SCALE = 0.82
ADJECTIVES = {"small": 0.5, "big": 0.98}


@dataclass(frozen=True)
class Sample:
    """A scene with its caption. `kind` names what the caption asks for besides the concept."""

    scene: Scene
    caption: str
    kind: str


def held_out(concept: str, attribute: str, share: float = 0.06) -> bool:
    """Whether training leaves this combination (concept with a background, a colour or a count) out: by hash, so the
    same on every machine."""
    digest = hashlib.sha256(f"{concept}|{attribute}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


class SceneChooser:
    """Draws random samples over the concepts; `wanted_held_out` turns the filter round and gives the combinations that
    training never sees. `jitter` is how far a thing strays from the middle, as a fraction of the side: little of it
    makes
    pictures that are learnt soon, much of it pictures that differ from seed to seed."""

    def __init__(
        self,
        concepts: list[Concept],
        weights: dict[str, float],
        seed: int,
        wanted_held_out: bool = False,
        jitter: float = 0.01,
        styles: tuple[str, ...] = ("shaded",),
    ):
        self.jitter, self.styles = jitter, styles
        self.concepts, self.random, self.wanted = concepts, random.Random(seed), wanted_held_out
        self.weights = [weights.get(concept.group, 1.0) for concept in concepts]

    def sample(self) -> Sample:
        """One sample; combinations on the wrong side of the held-out line are drawn again."""
        while True:
            index = self.random.choices(range(len(self.concepts)), self.weights)[0]
            sample, attribute = self._propose(index)
            out = attribute is not None and held_out(self.concepts[index].name, attribute)
            if out == self.wanted:
                return self._styled(sample)

    def _styled(self, sample: Sample) -> Sample:
        style = self.random.choice(self.styles) if len(self.styles) > 1 else self.styles[0]
        scene = dataclasses.replace(sample.scene, style=style)
        return Sample(scene, sample.caption + STYLES[style], sample.kind)

    def _propose(self, index: int) -> tuple[Sample, str | None]:
        rng, concept = self.random, self.concepts[index]
        name = rng.choice(concept.aliases) if concept.aliases and rng.random() < 0.2 else concept.name
        jitter = (rng.uniform(-self.jitter, self.jitter), rng.uniform(-self.jitter, self.jitter))
        scale = USUAL_SCALE + rng.uniform(-self.jitter, self.jitter)
        ground, ground_words = self._background()
        roll = rng.random()
        if concept.group == "plant-flower" and roll > 0.86:
            return self._flower_scene(index, name, scale, jitter)
        if concept.name == "tree" and roll > 0.6:
            return self._say(
                Scene(index, ground, "pink", 1, scale, jitter),
                f"a pink cherry blossom tree{rng.choice(('', ' in spring'))}",
                ground_words,
                "colour",
            ), None
        if roll < 0.1:
            count = rng.choice((2, 2, 3, 4))
            scene = Scene(index, ground, None, count, COUNT_SCALE[count], (0.0, 0.0))
            return self._say(scene, f"{NUMBERS[count]} {plural(name)}", ground_words, "count"), f"count {count}"
        if roll < 0.16:
            place, shift = rng.choice(list(POSITIONS.items()))
            return self._say(
                Scene(index, ground, None, 1, 0.5, shift), f"{article(name)} {place}", ground_words, "position"
            ), None
        if roll < 0.22:
            size, sized = rng.choice(list(ADJECTIVES.items()))
            return self._say(
                Scene(index, ground, None, 1, sized, jitter), article(f"{size} {name}"), ground_words, "size"
            ), None
        if concept.recolourable and roll < 0.58:
            colour = rng.choice(list(COLOURS))
            return self._say(
                Scene(index, ground, colour, 1, scale, jitter), article(f"{colour} {name}"), ground_words, "colour"
            ), f"colour {colour}"
        return self._say(
            Scene(index, ground, None, 1, scale, jitter), article(name), ground_words, "background"
        ), f"background {ground}"

    def _background(self) -> tuple[str, str]:
        """A background and the words for it; white is also what a caption without such words shows."""
        roll = self.random.random()
        if roll < 0.14:
            return "white", ""
        if roll < 0.28:
            scene = self.random.choice(SCENES)
            return scene, f" {scene}"
        colour = self.random.choice(list(BACKGROUNDS))
        form = self.random.choice((" on a {} background", " on a {} background", ", {} background", " on {}"))
        return colour, form.format(colour)

    def _flower_scene(self, index: int, name: str, scale: float, jitter: tuple[float, float]) -> tuple[Sample, None]:
        """The flowers' own captions: fields, water droplets, green leaves."""
        rng = self.random
        colour = rng.choice((None, *COLOURS))
        tinted = f"{colour} {name}" if colour else name
        kind = rng.choice(("field", "droplets", "leaves"))
        ground, words = self._background()
        if kind == "field":
            scene = Scene(index, rng.choice(SCENES), colour, 1, 0.4, (0.0, 0.0), field=True)
            return Sample(scene, f"{article(tinted)} field {scene.background}", "scene"), None
        if kind == "droplets":
            scene = Scene(index, ground, colour, 1, scale, jitter, droplets=True)
            return Sample(scene, f"{article(tinted)} with water droplets on its petals{words}", "scene"), None
        bright = rng.choice(("", "bright "))
        return Sample(
            Scene(index, ground, colour, 1, scale, jitter),
            f"{article(bright + tinted)} with green leaves{words}",
            "scene",
        ), None

    def _say(self, scene: Scene, what: str, ground_words: str, kind: str) -> Sample:
        return Sample(scene, f"{self.random.choice(OPENINGS)}{what}{ground_words}", kind)


def article(words: str) -> str:
    """`words` with the article it takes: none before a plural or a mass noun."""
    last = words.split()[-1]
    if (
        last.endswith("s")
        and not last.endswith("ss")
        and last not in ("octopus", "cactus", "lotus", "bus", "hibiscus", "tyrannosaurus", "hippopotamus", "rhinoceros")
    ):
        return words
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(name: str) -> str:
    """The English plural, as far as the concepts need it."""
    irregular = {
        "mouse": "mice",
        "fish": "fish",
        "goose": "geese",
        "shrimp": "shrimps",
        "wolf": "wolves",
        "cup of coffee": "cups of coffee",
    }
    if name in irregular:
        return irregular[name]
    if name.startswith("glass of "):
        return name.replace("glass", "glasses", 1)
    if article(name) == name:
        return name
    if name.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"


__all__ = ["COUNT_LAYOUT", "Sample", "SceneChooser", "article", "held_out", "plural"]
