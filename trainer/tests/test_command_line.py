"""A script's command line is its options: each with help, read by type, and refused with what was expected."""

import dataclasses
import importlib
from pathlib import Path

import pytest

from t2i_trainer.command_line import pairs, read_options, recorded, required
from t2i_trainer.sections import option

SCRIPTS = ("train", "train_judge", "train_text", "train_vae", "data", "evaluate", "export", "card")


def share(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    data: Path = required("folder")
    steps: int = option(10, "steps", least=1)
    gamma: float | None = option(None, "gamma, of 5 % of all", above=0)
    kind: str = option("plain", "kind", choices=("plain", "other"))
    sizes: tuple[int, ...] = option((1, 2), "sizes", least=1)
    quick: bool = option(False, "be quick")
    styles: dict[str, float] = pairs("shares", share, "NAME=SHARE", plain=1.0)


def test_what_is_given_is_read_by_type_and_the_rest_has_its_defaults():
    assert read_options(Options, None, ["--data", "x"]) == Options(data=Path("x"))
    given = [
        "--data",
        "x",
        "--steps",
        "3",
        "--gamma",
        "5",
        "--kind",
        "other",
        "--sizes",
        "4",
        "5",
        "--quick",
        "--styles",
        "a=1",
        "b=2",
        "--styles",
        "c=.5",
    ]
    assert read_options(Options, None, given) == Options(
        data=Path("x"), steps=3, gamma=5.0, kind="other", sizes=(4, 5), quick=True, styles={"a": 1, "b": 2, "c": 0.5}
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--steps 3", "--data"),
        ("--data x --steps 0", "--steps: expected at least 1, received 0"),
        ("--data x --steps many", "invalid int value"),
        ("--data x --sizes 3 0", "--sizes: expected at least 1, received"),
        ("--data x --kind new", "invalid choice"),
        ("--data x --gamma 0", "--gamma: expected more than 0, received 0"),
    ],
)
def test_what_cannot_be_is_refused_with_the_flag_and_what_was_expected(given: str, words: str, capsys):
    with pytest.raises(SystemExit) as ended:
        read_options(Options, None, given.split())
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_the_record_of_a_run_holds_paths_as_text():
    assert recorded(Options(data=Path("x")), "styles", "kind") == {
        "data": "x", "steps": 10, "gamma": None, "sizes": (1, 2), "quick": False,
    }  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_of_every_script_says_what_it_is(script: str, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", [script, "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module(script).main()
    lines = capsys.readouterr().out.splitlines()
    flags = [number for number, line in enumerate(lines) if line.startswith("  --")]
    assert len(flags) >= 3
    for number in flags:
        told = lines[number].strip().split("  ", 1)
        assert len(told) == 2 or lines[number + 1].startswith(" " * 20), lines[number]
