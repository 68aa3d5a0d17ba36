"""Of two trainings of one run, the second is refused; a run whose training was killed is free."""

import errno
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import test_train_vae_stage
from tiny_project import train_sections, write_prepared
from tiny_training import ended, forked

from stages.train import train
from stages.train_vae_model import train_vae_model
from t2i_trainer.stage import StageError, read_params
from t2i_trainer.training import run_lock
from t2i_trainer.training.run_lock import alone_in


@contextmanager
def held(run: Path) -> Iterator[int]:
    """A process that holds the run folder until the block ends, and is killed then."""
    read, write = os.pipe()

    def hold() -> None:
        with alone_in(run):
            os.write(write, b"!")
            signal.pause()

    child = forked(hold)
    try:
        assert os.read(read, 1) == b"!"
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        ended(child)


def test_a_run_belongs_to_one_process_until_it_ends(tmp_path: Path):
    run = tmp_path / "runs/mine"
    with held(run) as child:
        with pytest.raises(StageError) as caught, alone_in(run):
            pass
        assert caught.value.issues[0].received.startswith(f"mine, which process {child} on ")
        with alone_in(tmp_path / "runs/other"):
            pass
    for _ in range(2):
        with alone_in(run):
            pass


def test_a_second_training_of_a_run_changes_nothing(tmp_path: Path):
    write_prepared(tmp_path)
    (tmp_path / "params.json").write_text(json.dumps(train_sections(num_epochs=1)))
    params = read_params(tmp_path / "params.json")
    with held(tmp_path / "runs/mine"):
        with pytest.raises(StageError, match="a run that nothing else trains now"):
            train(tmp_path, params)
        assert [path.name for path in (tmp_path / "runs/mine").iterdir()] == [".lock"]
    assert train(tmp_path, params)["status"] == "finished"


def test_nor_does_a_second_training_of_an_autoencoder(tmp_path: Path):
    project = test_train_vae_stage.new_project(tmp_path)
    expected = pytest.raises(StageError, match="a run that nothing else trains now")
    with held(project / "runs/mine-vae"), expected:
        train_vae_model(project, test_train_vae_stage.params())


def test_a_file_system_without_locks_is_trained_on_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def lockf(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock.fcntl, "lockf", lockf)
    with alone_in(tmp_path / "runs/mine"):
        pass
