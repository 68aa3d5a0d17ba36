"""The stage `train` as the command line starts it: by torchrun, with the parameters as JSON."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from diffusers import StableDiffusionPipeline
from tiny_project import train_sections as params
from tiny_project import write_prepared
from tiny_training import distance, weights

from stages.train import train
from t2i_trainer.files import sha256_file
from t2i_trainer.stage import StageError, main
from t2i_trainer.training.pipeline_folder import finish_run

STAGE = Path(__file__).resolve().parents[1] / "stages" / "train.py"


@pytest.fixture
def project(tmp_path) -> Path:
    write_prepared(tmp_path)
    return tmp_path


def stage(project: Path, given: dict, *launcher: str) -> subprocess.CompletedProcess:
    file = project / "params.json"
    file.write_text(json.dumps(given))
    return subprocess.run(
        [sys.executable, *launcher, STAGE, "--project", project, "--params", file], capture_output=True, text=True
    )


def test_two_ranks_started_by_torchrun_train_as_one_and_rank_0_alone_speaks(project, capsys):
    ended = stage(project, params(), "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [event["event"] for event in events].count("result") == 1
    assert events[-1]["value"]["status"] == "finished"
    (project / "runs/mine").rename(project / "runs/two-ranks")
    assert main(None, train, ["--project", str(project), "--params", str(project / "params.json")]) == 0
    assert distance(weights(project / "runs/mine"), weights(project / "runs/two-ranks")) < 1e-5


def test_a_finished_run_is_a_folder_that_diffusers_loads_with_a_record_of_every_file(project, capsys):
    (project / "params.json").write_text(json.dumps(params(num_epochs=1)))
    assert main(None, train, ["--project", str(project), "--params", str(project / "params.json")]) == 0
    best, record = project / "runs/mine/best", json.loads((project / "runs/mine/run.json").read_text())
    assert StableDiffusionPipeline.from_pretrained(best, use_safetensors=True).unet.config.sample_size == [8, 8]
    files = {path.relative_to(best).as_posix() for path in best.rglob("*") if path.is_file()}
    assert set(record["files"]) == files - {"best.json"}
    for path, entry in record["files"].items():
        assert entry == {"bytes": (best / path).stat().st_size, "sha256": sha256_file(best / path)}
    assert record["run_name"] == "mine" and record["best_val_diffuser_loss"] > 0
    assert record["validation"]["items"] == 2


def test_a_mistake_is_an_error_event_and_ends_with_1(tmp_path, capsys):
    (tmp_path / "params.json").write_text(json.dumps(params(batch_size=0, unet_learning_rate=0)))
    assert main(None, train, ["--project", str(tmp_path), "--params", str(tmp_path / "params.json")]) == 1
    [event] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (event["event"], event["code"]) == ("error", "OPTION_INVALID")
    assert [issue["option"] for issue in event["issues"]] == ["training.batch_size", "training.unet_learning_rate"]


def test_a_run_whose_losses_are_no_numbers_is_not_finished(project):
    (project / "runs/mine").mkdir(parents=True)
    with pytest.raises(StageError, match="no validation loss of mine was a number"):
        finish_run(project / "runs/mine", project, "models/clip", "models/vae")
    assert not (project / "runs/mine/run.json").exists()
