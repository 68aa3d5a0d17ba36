"""The recipe of the default model: every stage is a command that its script understands, and what is done is not done
again."""

import argparse
import importlib
import json
import sys
from pathlib import Path

import pytest

import default_model
from t2i_trainer.emoji.card import commands
from t2i_trainer.emoji.recipe import Stage, recipe

FOLDERS = Path("runs/x"), Path("runs/packages"), Path("models/x")
STAGES = recipe(*FOLDERS)


class ParsedError(Exception):
    pass


@pytest.mark.parametrize("stage", STAGES, ids=[stage.name for stage in STAGES])
def test_every_script_understands_its_arguments(stage, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def stop(self, arguments=None, namespace=None):
        raise ParsedError(parse(self, arguments, namespace))

    monkeypatch.setattr(sys, "argv", list(stage.command))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(ParsedError):
        importlib.import_module(stage.command[0].removesuffix(".py")).main()


def test_stages_run_once_and_the_first_failure_ends(tmp_path, monkeypatch):
    script = tmp_path / "stage.py"
    script.write_text("import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('x'); sys.exit(int(sys.argv[2]))")
    paths = [tmp_path / name for name in "abc"]
    stages = [
        Stage(path.name, ("stage.py", str(path), code), path) for path, code in zip(paths, ("0", "3", "0"), strict=True)
    ]
    monkeypatch.setattr(default_model, "recipe", lambda *_: stages)
    monkeypatch.setattr(default_model, "HERE", tmp_path)
    assert default_model.make(tmp_path, tmp_path, tmp_path, "cpu", until="a") == 0
    assert [path.exists() for path in paths] == [True, False, False]
    paths[0].write_text("kept")
    assert default_model.make(tmp_path, tmp_path, tmp_path, "cpu", until="c") == 3
    assert paths[0].read_text() == "kept" and not paths[2].exists()


def test_the_card_prints_what_is_run():
    lines = commands("x").splitlines()
    assert len(lines) == len(STAGES)
    assert lines[0].startswith("python trainer/data.py --out runs/x/data --packages runs/packages --styles shaded=76 ")
    assert json.dumps(lines).count("--precision bf16") == 4


def test_a_machine_without_a_gpu_is_asked_for_none():
    commands = [" ".join(stage.command) for stage in recipe(*FOLDERS, device="cpu")]
    assert not any("cuda" in command for command in commands)
    assert sum("--device cuda --cuda-graphs" in " ".join(stage.command) for stage in STAGES) == 2
