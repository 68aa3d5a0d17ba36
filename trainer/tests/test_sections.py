"""Options are read from a section of the parameters, and everything that is wrong is told."""

import dataclasses

import pytest

from t2i_trainer.sections import option, read_section
from t2i_trainer.stage import Issue


@dataclasses.dataclass(frozen=True)
class Options:
    rate: float = option(0.5, "a number", above=0, most=1)
    steps: int | None = option(None, "an integer", least=1)
    sides: tuple[int, ...] = option((4,), "integers", least=1)
    each: int | tuple[int, ...] = option(2, "one or several")
    kind: str = option("a", "a word", choices=("a", "b"))
    on: bool = option(False, "a switch")
    free: float = option(0.0, "any number")


def test_values_are_taken_and_the_others_have_their_defaults():
    given = {"rate": 1, "sides": [1, 2], "each": [3, 4], "kind": "b", "on": True}
    options, issues = read_section(Options, "part", given)
    assert options == Options(1.0, None, (1, 2), (3, 4), "b", True) and issues == []
    assert isinstance(options.rate, float)
    assert read_section(Options, "part", {})[0] == Options()


def test_every_mistake_of_a_section_is_told():
    options, issues = read_section(
        Options, "part", {"rate": 0, "steps": 0, "sides": [2, 0], "kind": "c", "on": 1, "rates": 2}
    )
    assert options is None
    assert issues == [
        Issue("part.rate", "at most 1 and more than 0", "0"),
        Issue("part.steps", "at least 1", "0"),
        Issue("part.sides", "at least 1", "[2, 0]"),
        Issue("part.kind", "one of a, b", '"c"'),
        Issue("part.on", "true or false", "1"),
        Issue("part.rates", "a known option, perhaps rate", "an unknown one"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("rate", float("nan")), ("free", float("inf")), ("rate", True), ("rate", "0.5"), ("rate", None), ("steps", 1.5),
     ("steps", True), ("sides", 4), ("sides", [1.5]), ("each", [1.5]), ("kind", 3)],
)  # fmt: skip
def test_a_value_of_another_type_is_no_value(name: str, value: object):
    assert read_section(Options, "part", {name: value})[1][0].option == f"part.{name}"
