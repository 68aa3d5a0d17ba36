"""Chooses scenes and says what they show. A combination that is held out is not chosen for training (see
`held_out`)."""

import hashlib
from dataclasses import dataclass, replace
from random import Random

from .concepts import Concept
from .english import MASS_NOUNS, article, is_plural, plural
from .grounds import LANDSCAPES
from .layouts import POSITIONS, Layouts, Spot
from .scene import BACKGROUNDS, COLOURS, SCENES, Placement, Scene
from .styles import STYLES

# What a caption asks for besides the thing and its background, and how many of a hundred do.
KINDS = {"plain": 30, "colour": 25, "count": 20, "size": 8, "position": 5, "pair": 12}
NUMBERS = {1: ("one", "a single"), 2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4"), 5: ("five", "5")}
# What stands before a plain name; the model should not care.
OPENINGS = ("", "", "", "a picture of ", "a photo of ", "an image of ")
USUAL_SIDES = (0.6, 0.92)
SIZES = {"small": (0.3, 0.42), "big": (0.93, 1.04)}


@dataclass(frozen=True)
class Sample:
    """A scene with its caption. `kind` is one of KINDS, or `scene` for the captions that only flowers and trees have;
    `asked` names what the caption asks for: colour, count, size, position."""

    scene: Scene
    caption: str
    kind: str
    asked: dict[str, str | int]


def held_out(concept: str, attribute: str, share: float = 0.06) -> bool:
    """Whether training leaves this combination (concept with a background, a colour, a count or another concept, in
    this order) out: by hash, so the same on every machine. Samples of another kind do not ask: a colour that is held
    out for a concept may come up where the concept is counted or paired."""
    digest = hashlib.sha256(f"{concept}|{attribute}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


@dataclass(frozen=True)
class Proposal:
    """A sample before its style is chosen; `combination` is what may be held out."""

    placements: tuple[Placement, ...]
    words: str
    kind: str
    combination: str | None
    asked: dict[str, str | int]
    ground: str | None = None
    """One of SCENES that it must stand in."""


class SceneChooser:
    """Draws random samples over the concepts; `wanted_held_out` turns the filter round and gives the combinations that
    training never chooses as such. `jitter` is how far a thing strays from the middle, as a fraction of the side."""

    def __init__(
        self,
        concepts: list[Concept],
        weights: dict[str, float],
        seed: int,
        wanted_held_out: bool = False,
        jitter: float = 0.08,
        styles: dict[str, float] | None = None,
        kinds: dict[str, float] | None = None,
    ):
        self.concepts, self.random, self.wanted = concepts, Random(seed), wanted_held_out
        self.layouts = Layouts(self.random, jitter)
        self.styles, self.kinds = styles or {"shaded": 1.0}, kinds or KINDS
        self.weights = [weights.get(concept.group, 1.0) for concept in concepts]

    def sample(self) -> Sample:
        """One sample; combinations on the wrong side of the held-out line are drawn again."""
        while True:
            index = self._concept()
            ground, ground_words = self._background()
            proposal = self._propose(index, ground)
            out = proposal.combination is not None and held_out(self.concepts[index].name, proposal.combination)
            if out == self.wanted:
                if proposal.ground:
                    ground, ground_words = proposal.ground, f" {proposal.ground}"
                return self._finish(proposal, ground, ground_words)

    def _finish(self, proposal: Proposal, ground: str, ground_words: str) -> Sample:
        style = self.random.choices(list(self.styles), list(self.styles.values()))[0]
        scene = Scene(ground, proposal.placements, style, self.random.uniform(0.94, 1.06))
        opening, ending = self.random.choice(OPENINGS), self.random.choice(STYLES[style])
        return Sample(scene, f"{opening}{proposal.words}{ground_words}{ending}", proposal.kind, proposal.asked)

    def _concept(self) -> int:
        return self.random.choices(range(len(self.concepts)), self.weights)[0]

    def _propose(self, index: int, ground: str) -> Proposal:
        rng, concept = self.random, self.concepts[index]
        if concept.group == "plant-flower" and rng.random() < 0.2:
            return self._flower(index)
        if concept.name == "tree" and rng.random() < 0.4:
            words = f"a pink cherry blossom tree{rng.choice(('', ' in spring'))}"
            return Proposal(self._things(index, "pink", [self._usual()]), words, "scene", None, {"colour": "pink"})
        kind = rng.choices(list(self.kinds), list(self.kinds.values()))[0]
        if (kind == "colour" and not concept.recolourable) or (kind == "count" and concept.name in MASS_NOUNS):
            kind = "plain"
        return getattr(self, f"_{kind}")(index, ground)

    def _plain(self, index: int, ground: str) -> Proposal:
        placements = self._things(index, None, [self._usual()])
        return Proposal(placements, article(self._name(index)), "plain", f"background {ground}", {})

    def _colour(self, index: int, _ground: str) -> Proposal:
        colour = self.random.choice(list(COLOURS))
        placements = self._things(index, colour, [self._usual()])
        words = article(f"{colour} {self._name(index)}")
        return Proposal(placements, words, "colour", f"colour {colour}", {"colour": colour})

    def _count(self, index: int, _ground: str) -> Proposal:
        rng, name = self.random, self._name(index)
        # One of a thing that is always several ("one grapes") is no English.
        count = rng.choice((2, 3, 4, 5) if is_plural(name) else (1, 2, 2, 3, 3, 4, 5))
        colour = self._perhaps_a_colour(index, 0.2)
        spots = [self._usual()] if count == 1 else self.layouts.several(count)
        usual, other = NUMBERS[count]
        number = usual if rng.random() < 0.85 else other
        words = f"{number} {_tinted(colour, name if count == 1 else plural(name))}"
        asked = {"count": count} | ({"colour": colour} if colour else {})
        return Proposal(self._things(index, colour, spots), words, "count", f"count {count}", asked)

    def _size(self, index: int, _ground: str) -> Proposal:
        size, sides = self.random.choice(list(SIZES.items()))
        colour = self._perhaps_a_colour(index, 0.2)
        placements = self._things(index, colour, [self.layouts.single(*sides)])
        words = article(f"{size} {_tinted(colour, self._name(index))}")
        asked: dict[str, str | int] = {"size": size}
        if colour:
            asked["colour"] = colour
        return Proposal(placements, words, "size", None, asked)

    def _position(self, index: int, _ground: str) -> Proposal:
        place = self.random.choice(list(POSITIONS))
        placements = self._things(index, None, [self.layouts.position(place)])
        return Proposal(placements, f"{article(self._name(index))} {place}", "position", None, {"position": place})

    def _pair(self, index: int, _ground: str) -> Proposal:
        rng, other = self.random, self._concept()
        while other == index:
            other = self._concept()
        tints = [self._perhaps_a_colour(one, 0.3) for one in (index, other)]
        names = [article(_tinted(tint, self._name(one))) for one, tint in zip((index, other), tints, strict=True)]
        relation = rng.choices(("beside", "above"), (8, 2))[0]
        spots = self.layouts.pair(relation)
        placements = tuple(
            self._things(one, tint, [spot])[0] for one, tint, spot in zip((index, other), tints, spots, strict=True)
        )
        joints = {"beside": (" and ", " and ", " and ", " next to ", " left of "), "above": (" above ",)}[relation]
        words = rng.choice(joints).join(names)
        return Proposal(placements, words, "pair", f"with {self.concepts[other].name}", {"count": 2})

    def _flower(self, index: int) -> Proposal:
        """The flowers' own captions: fields, water droplets, green leaves."""
        rng = self.random
        colour = rng.choice((None, *COLOURS))
        tinted = _tinted(colour, self._name(index))
        asked: dict[str, str | int] = {"colour": colour} if colour else {}
        kind = rng.choice(("field", "droplets", "leaves"))
        if kind == "field":
            ground = rng.choice(SCENES)
            horizon = min(0.6, LANDSCAPES[ground][3])
            placements = self._things(index, colour, self.layouts.field(horizon), mixed=True)
            return Proposal(placements, f"{article(tinted)} field", "scene", None, asked, ground)
        if kind == "droplets":
            placements = self._things(index, colour, [self._usual()])
            placements = tuple(replace(placement, droplets=True) for placement in placements)
            return Proposal(placements, f"{article(tinted)} with water droplets on its petals", "scene", None, asked)
        words = f"{article(rng.choice(('', 'bright ')) + tinted)} with green leaves"
        return Proposal(self._things(index, colour, [self._usual()]), words, "scene", None, asked)

    def _things(self, index: int, colour: str | None, spots: list[Spot], mixed: bool = False) -> tuple[Placement, ...]:
        """The same thing at each spot, a little turned; all mirrored or none, unless `mixed`."""
        rng = self.random
        mirrored = rng.random() < 0.5
        return tuple(
            Placement(
                index, colour, round(x, 4), round(y, 4), round(side, 4), round(rng.uniform(-10, 10), 2),
                rng.random() < 0.5 if mixed else mirrored,
            )
            for x, y, side in spots
        )  # fmt: skip

    def _usual(self) -> Spot:
        return self.layouts.single(*USUAL_SIDES)

    def _name(self, index: int) -> str:
        concept = self.concepts[index]
        return self.random.choice(concept.aliases) if concept.aliases and self.random.random() < 0.2 else concept.name

    def _perhaps_a_colour(self, index: int, share: float) -> str | None:
        wanted = self.concepts[index].recolourable and self.random.random() < share
        return self.random.choice(list(COLOURS)) if wanted else None

    def _background(self) -> tuple[str, str]:
        """A background and the words for it; white is also what a caption without such words shows."""
        roll = self.random.random()
        if roll < 0.14:
            return "white", ""
        if roll < 0.34:
            scene = self.random.choice(SCENES)
            return scene, f" {scene}"
        colour = self.random.choice(list(BACKGROUNDS))
        form = self.random.choice((" on {article} background", " on {article} background", ", {} background", " on {}"))
        return colour, form.format(colour, article=article(colour))


def _tinted(colour: str | None, words: str) -> str:
    return f"{colour} {words}" if colour else words
