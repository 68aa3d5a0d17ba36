"""What a model is asked at the end and never shown before: words that no caption and no training step uses, and forty
prompts. The file is written before training starts, and a run records its hash (train.py)."""

from dataclasses import dataclass
from pathlib import Path

from ..files import read_json, sha256_file

FILE = Path(__file__).with_name("exam.json")


@dataclass(frozen=True)
class Exam:
    """`synonyms` and `colours`: a word that no caption uses, and the one of the captions that it means; `retired` are
    words of earlier exams, which nobody trains on either; `prompts` are for people to score."""

    synonyms: dict[str, str]
    colours: dict[str, str]
    coloured_things: tuple[str, ...]
    retired: frozenset[str]
    prompts: tuple[str, ...]

    @property
    def words(self) -> frozenset[str]:
        """All that training must not use."""
        return frozenset(self.synonyms) | frozenset(self.colours) | self.retired


def load_exam() -> Exam:
    exam = read_json(FILE)
    return Exam(
        exam["synonyms"],
        exam["colours"],
        tuple(exam["colouredThings"]),
        frozenset(exam["retired"]),
        tuple(exam["prompts"]),
    )


def exam_hash() -> str:
    """SHA-256 of the file, in hex."""
    return sha256_file(FILE)
