"""A training whose ranks run on machines that share no disk: rank 0 has the checkpoints, whole."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from tiny_training import distance, forked_ranks, params, run, weights

from t2i_trainer.stage import StageError
from t2i_trainer.training import checkpoint_folders
from t2i_trainer.training.learner import Learner
from t2i_trainer.training.strategies import ranks


def train(folder: Path, strategy: str, world: int = 2) -> None:
    """Every rank has a run folder of its own."""
    given = params(strategy=strategy, precision="fp32", checkpoint_steps=2)
    forked_ranks(world, lambda rank: run(folder / f"machine-{rank}", given, ranks=world))


def stop_at(monkeypatch, count: int) -> None:
    step = Learner.step

    def stopping(self, number, applied):
        if number == count:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, applied)

    monkeypatch.setattr(Learner, "step", stopping)


@pytest.mark.parametrize("strategy", ["ddp", "zero2"])
def test_a_training_resumes_from_what_rank_0_alone_kept(tmp_path, monkeypatch, strategy):
    monkeypatch.setattr(ranks, "PIECE", 1000)
    train(tmp_path / "left-alone", strategy)
    with monkeypatch.context() as patch:
        stop_at(patch, 4)
        train(tmp_path / "stopped", strategy)
    first, second = (tmp_path / "stopped" / f"machine-{rank}/checkpoints" for rank in (0, 1))
    assert checkpoint_folders.newest(first)[0].name == "step-00000005"
    assert not second.exists(), "only rank 0 writes checkpoints"
    shutil.copytree(first, second)
    train(tmp_path / "stopped", strategy)
    resumed, left_alone = (weights(tmp_path / name / "machine-0") for name in ("stopped", "left-alone"))
    assert distance(resumed, left_alone) == 0


def test_ranks_that_find_different_checkpoints_refuse_to_train(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, 4)
        train(tmp_path, "ddp")

    def work(rank: int) -> None:
        with pytest.raises(StageError, match="steps 0, 5") as caught:
            run(tmp_path / f"machine-{rank}", params(checkpoint_steps=2), ranks=2)
        assert caught.value.code == "CHECKPOINT_INVALID"

    forked_ranks(2, work)


def test_an_old_copy_of_the_folder_is_not_taken_for_that_of_rank_0(tmp_path):
    for rank in (0, 1):
        left = tmp_path / f"machine-{rank}/checkpoints/.step-00000008.tmp"
        left.mkdir(parents=True)
        (left / ".rank-0").write_text("123")
    train(tmp_path, "zero2")
    manifest = checkpoint_folders.newest(tmp_path / "machine-0/checkpoints")[1]
    assert {"rank-0.pt", "rank-1.pt", "ema-rank-1.safetensors"} <= manifest["files"].keys()
    assert ".rank-0" not in manifest["files"]
