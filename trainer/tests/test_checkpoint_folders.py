"""A checkpoint is whole or not seen at all, and the newest whole one is resumed."""

from pathlib import Path

import pytest

from t2i_trainer.training.checkpoint_folders import filling, find, finish, newest, start


def write(parent: Path, step: int) -> Path:
    start(parent, step)
    (filling(parent, step) / "part").mkdir()
    for name in ("weights", "part/state"):
        (filling(parent, step) / name).write_text(f"{name} of {step}")
    return finish(parent, step, {"world": 1})


def test_the_newest_is_found_and_two_are_kept(tmp_path):
    assert newest(tmp_path) is None
    for step in (5, 10, 100):
        write(tmp_path, step)
    folder, manifest = newest(tmp_path)
    assert folder.name == "step-00000100" and manifest["world"] == 1 and manifest["step"] == 100
    assert sorted(manifest["files"]) == ["part/state", "weights"]
    assert [path.name for path in find(tmp_path)] == ["step-00000100", "step-00000010"]
    assert (tmp_path / "latest").read_text() == "step-00000100\n"


def test_what_is_not_finished_is_not_seen_and_is_cleared_away(tmp_path):
    write(tmp_path, 5)
    start(tmp_path, 10)
    (filling(tmp_path, 10) / "weights").write_text("half")
    assert newest(tmp_path)[0].name == "step-00000005"
    write(tmp_path, 15)
    assert not filling(tmp_path, 10).exists()
    start(tmp_path, 20)
    (filling(tmp_path, 20) / "stale").write_text("of a killed run")
    start(tmp_path, 20)
    assert not list(filling(tmp_path, 20).iterdir())


def damage_file(folder: Path) -> None:
    (folder / "weights").write_text("weights of 9")


def cut_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text()[:-9])


@pytest.mark.parametrize(
    ("damage", "told"),
    [(damage_file, "weights does not have the hash"), (lambda folder: (folder / "weights").unlink(), "is missing"),
     (cut_manifest, "manifest.json cannot be read"),
     (lambda folder: (folder / "manifest.json").unlink(), "manifest.json cannot be read")],
)  # fmt: skip
def test_a_damaged_one_is_passed_over_with_a_warning(tmp_path, capsys, damage, told: str):
    write(tmp_path, 5)
    damage(write(tmp_path, 10))
    assert newest(tmp_path)[0].name == "step-00000005"
    assert told in capsys.readouterr().out
    write(tmp_path, 10)
    assert newest(tmp_path)[0].name == "step-00000010", "it is replaced when its step comes again"


def test_a_damaged_one_of_a_later_step_does_not_take_the_place_of_a_whole_one(tmp_path):
    write(tmp_path, 5)
    damage_file(write(tmp_path, 10))
    write(tmp_path, 7)
    assert [path.name for path in find(tmp_path)] == ["step-00000007", "step-00000005"]
