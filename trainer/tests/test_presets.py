"""Presets on the command lines of evaluate.py and export.py."""

import argparse

import pytest

from t2i_trainer.presets import add_preset_flag


def parse(*arguments: str) -> dict[str, int]:
    parser = argparse.ArgumentParser()
    add_preset_flag(parser)
    return parser.parse_args(arguments).presets


def test_a_command_line_may_name_several_presets_or_none():
    assert parse("--preset", "fast=6", "--preset", "fine=50") == {"fast": 6, "fine": 50}
    assert parse() == {}, "and none is left of the command line before"


@pytest.mark.parametrize("value", ["fast", "fast=", "=3", "fast=0", "fast=1.5"])
def test_a_preset_is_a_name_with_a_number_of_steps(value, capsys):
    with pytest.raises(SystemExit):
        parse("--preset", value)
    assert f"--preset: expected NAME=STEPS, for example fast=6, received {value}" in capsys.readouterr().err
