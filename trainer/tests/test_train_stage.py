"""The stage `train` as the command line starts it: by torchrun, with the parameters as JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file
from tiny_training import distance, params, run, tiny_samples, weights

from stages.train import train
from t2i_trainer.stage import main

STAGE = Path(__file__).resolve().parents[1] / "stages" / "train.py"


@pytest.fixture
def project(tmp_path) -> Path:
    for name, samples in (("train", tiny_samples(8)), ("validation", tiny_samples(6, seed=1))):
        save_file({"mean": samples.mean, "text": samples.text, "null": samples.null}, tmp_path / f"{name}.safetensors")
    return tmp_path


def stage(project: Path, given: dict, *launcher: str) -> subprocess.CompletedProcess:
    data = {"train_file": "train.safetensors", "validation_file": "validation.safetensors"}
    file = project / "params.json"
    file.write_text(json.dumps({**given, "data": data}))
    return subprocess.run(
        [sys.executable, *launcher, STAGE, "--project", project, "--params", file], capture_output=True, text=True
    )


def test_two_ranks_started_by_torchrun_train_as_one_and_rank_0_alone_speaks(project):
    ended = stage(project, params(), "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [event["event"] for event in events].count("result") == 1
    assert events[-1]["value"]["status"] == "finished"
    folder = project / "runs" / "default"
    run(project / "alone")
    assert distance(weights(folder), weights(project / "alone")) < 1e-5


def test_a_mistake_is_an_error_event_and_ends_with_1(tmp_path, capsys):
    (tmp_path / "params.json").write_text(json.dumps(params(batch_size=0, unet_learning_rate=0)))
    assert main(None, train, ["--project", str(tmp_path), "--params", str(tmp_path / "params.json")]) == 1
    [event] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (event["event"], event["code"]) == ("error", "OPTION_INVALID")
    assert [issue["option"] for issue in event["issues"]] == ["training.batch_size", "training.unet_learning_rate"]
