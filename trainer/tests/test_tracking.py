"""Tracking by a real MLflow server: every figure is there once, whatever happens to the server or the training."""

import json
import math
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from tiny_project import train_sections, write_prepared
from tiny_training import resolved
from tracking_servers import MlflowServer, http_server, lose_answers, mlflow_program, moto_server

from stages.train import train
from t2i_trainer.files import sha256_file
from t2i_trainer.stage import StageError, main
from t2i_trainer.tracking import sender
from t2i_trainer.tracking import tracking as tracking_module
from t2i_trainer.tracking.environment import AWS_KEYS, AWS_PLACES, SECRETS, SETTINGS, STYLE
from t2i_trainer.tracking.open_tracking import open_tracking
from t2i_trainer.tracking.server_run import Model
from t2i_trainer.tracking.tracking import Tracking
from t2i_trainer.training.learner import Learner

PROGRAM = mlflow_program()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="no MLflow server: python3 trainer/env.py --lock test/ops/requirements.lock installs it"
)
FACTS = {"config_hash": "abc", "parameters": 7}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[MlflowServer]:
    server = MlflowServer(PROGRAM, tmp_path_factory.mktemp("server"))
    server.launch()
    yield server.wait()
    server.kill()


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> None:
    """What the tracker sets is not set before, nor for other tests; a failed request is tried again at once, and a busy
    machine may take its time."""
    for name in (*SECRETS, *AWS_KEYS, *AWS_PLACES, STYLE, *SETTINGS):
        # Setting it first is what has it restored.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sender, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(tracking_module, "FIRST_SECONDS", 1e6)
    monkeypatch.setattr(tracking_module, "LAST_SECONDS", 1e6)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")


@pytest.fixture
def experiment(request) -> str:
    """Each test has its own."""
    return request.node.name


def tracking(address: str, experiment: str, folder: Path, **sections: dict) -> Tracking:
    where = {"server_uri": address, "experiment_name": experiment, "run_name": "mine"}
    return open_tracking(folder, folder, resolved({"mlflow": where, **sections}))


def figures(step: int) -> dict[str, float]:
    return {"step": step, "train_diffuser_loss": 1 / step, "lr": step * 1e-4}


def runs(server: MlflowServer, experiment: str) -> tuple[MlflowClient, list]:
    client = MlflowClient(server.address, server.address)
    return client, list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def histories(server: MlflowServer, experiment: str) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of every metric of the one run of an experiment."""
    client, [run] = runs(server, experiment)
    return {
        name: [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }


def expected(*steps: int) -> dict[str, list[tuple[int, float]]]:
    return {name: [(step, figures(step)[name]) for step in steps] for name in ("train_diffuser_loss", "lr")}


def warnings(capsys) -> list[str]:
    # DeepSpeed, once imported, writes lines of its own.
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [event["message"] for event in events if event["event"] == "warning"]


def test_a_stopped_training_goes_on_in_its_run_and_ends_as_a_registered_model(
    server, experiment, tmp_path, monkeypatch, capsys
):
    write_prepared(tmp_path)
    given = train_sections()
    given["mlflow"] |= {"server_uri": server.address, "experiment_name": experiment, "registered_model_name": "Tulips"}
    (tmp_path / "params.json").write_text(json.dumps(given))
    command = ["--project", str(tmp_path), "--params", str(tmp_path / "params.json")]
    step = Learner.step

    def stopping(self, number, applied):
        if number == 4:
            signal.raise_signal(signal.SIGTERM)
        return step(self, number, applied)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", stopping)
        assert main(None, train, command) == 0
    client, [stopped] = runs(server, experiment)
    assert (stopped.info.status, stopped.info.run_name) == ("RUNNING", "mine")
    assert main(None, train, command) == 0

    _, [run] = runs(server, experiment)
    assert (run.info.run_id, run.info.status) == (stopped.info.run_id, "FINISHED")
    folder = tmp_path / "runs/mine"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    history = histories(server, experiment)
    for name in ("train_diffuser_loss", "val_diffuser_loss", "grad_norm", "lr", "samples_per_second"):
        assert history[name] == [(line["step"], pytest.approx(line[name])) for line in lines]
    best = json.loads((folder / "best/best.json").read_text())
    assert history["best_step"] == [(best["best_step"], best["best_step"])]
    assert history["best_val_diffuser_loss"] == [(best["best_step"], pytest.approx(best["best_val_diffuser_loss"]))]

    values = run.data.params
    assert (values["unet.block_out_channels"], values["DDPMScheduler.T"]) == ("[8, 16]", "1000")
    assert (values["clip.model"], values["mlflow.run_name"], values["unet.init_from"]) == (
        "models/clip",
        "mine",
        "null",
    )
    assert values["config_hash"] == best["config_hash"] and "hashes.training_set" in values
    names = {file.path for file in client.list_artifacts(run.info.run_id, "model")}
    assert names == {"model/best", "model/best.json", "model/options.json", "model/run.json"}
    record = json.loads((folder / "run.json").read_text())["files"]
    fetched = Path(client.download_artifacts(run.info.run_id, "model/best", str(tmp_path)))
    assert {path: sha256_file(fetched / path) for path in record} == {
        path: file["sha256"] for path, file in record.items()
    }
    [version] = client.search_model_versions(f"run_id = '{run.info.run_id}'")
    assert (version.name, version.tags["run_id"]) == ("Tulips", run.info.run_id)
    assert float(version.tags["best_val_diffuser_loss"]) == best["best_val_diffuser_loss"]
    assert warnings(capsys) == ["stopped after step 5 of 8; the same command resumes"]

    uploaded = []
    monkeypatch.setattr(MlflowClient, "log_artifact", lambda *given: uploaded.append(given))
    assert main(None, train, command) == 0
    assert (histories(server, experiment), uploaded) == (history, []), "a training that is done sends nothing twice"
    assert len(client.search_model_versions(f"run_id = '{run.info.run_id}'")) == 1


def test_answers_that_are_lost_lead_to_no_second_run_and_no_second_figure(server, experiment, tmp_path, capsys):
    lost = {"/experiments/create", "/runs/create", "/runs/log-batch"}
    with http_server(lose_answers(server.address, lost)) as address:
        for step in (1, 2, 3, 4):
            with tracking(address, experiment, tmp_path) as tracker:
                tracker.start(None, FACTS)
                tracker.log(step, figures(step))
    assert histories(server, experiment) == expected(1, 2, 3, 4) and not lost
    assert "cannot be reached" in warnings(capsys)[0]


def test_a_killed_training_repeats_steps_that_are_there_once(server, experiment, tmp_path):
    with tracking(server.address, experiment, tmp_path) as tracker:
        name = tracker.start(None, FACTS)
        tracker.log(1, figures(1))
        tracker.log(2, figures(2))
    (tmp_path / "tracking.jsonl").unlink()
    with tracking(server.address, experiment, tmp_path) as tracker:
        assert tracker.start(name, FACTS) == name
        tracker.log(2, {**figures(2), "lr": 9.0})
        tracker.log(3, figures(3))
    assert histories(server, experiment) == expected(1, 2, 3)


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_breaks_off_says_how_and_runs_again_when_it_is_resumed(server, experiment, tmp_path, error, status):
    with pytest.raises(error), tracking(server.address, experiment, tmp_path) as tracker:
        name = tracker.start(None, FACTS)
        raise error
    assert runs(server, experiment)[1][0].info.status == status
    with tracking(server.address, experiment, tmp_path) as tracker:
        tracker.start(name, FACTS)
    assert runs(server, experiment)[1][0].info.status == "RUNNING"


def test_figures_that_are_no_numbers_are_left_out_and_counted(server, experiment, tmp_path, capsys):
    with tracking(server.address, experiment, tmp_path) as tracker:
        tracker.start(None, FACTS)
        tracker.log(1, {**figures(1), "val_diffuser_loss": math.nan, "grad_norm": math.inf})
    assert histories(server, experiment) == expected(1)
    assert runs(server, experiment)[1][0].data.tags["figures_left_out"] == "2"
    assert warnings(capsys) == ["MLflow: 2 figures that are NaN or infinite are left out"]


def test_a_parameter_that_is_too_long_is_cut_and_one_that_changes_gets_a_tag(server, experiment, tmp_path, capsys):
    variable = f"NAME={'x' * 1000}"
    environment = {"environment": [variable] * 7}
    with tracking(
        server.address, experiment, tmp_path, pytorch_estimator=environment, training={"patience": 5}
    ) as tracker:
        name = tracker.start(None, FACTS)
    assert warnings(capsys) == ["MLflow: the values of pytorch_estimator.environment are cut to 6000 characters"]
    with tracking(
        server.address, experiment, tmp_path, pytorch_estimator=environment, training={"patience": 9}
    ) as tracker:
        tracker.start(name, FACTS)
    [run] = runs(server, experiment)[1]
    cut = run.data.params["pytorch_estimator.environment"]
    assert len(cut) == 6000 and variable in cut
    assert len(run.data.params) > 100, "more than one request takes"
    assert run.data.params["log_trained_model.keep_versions"] == "3"
    assert (run.data.params["training.patience"], run.data.tags["training.patience"]) == ("5", "9")


def keep_in_s3(server: MlflowServer, experiment: str) -> None:
    """The server has the files of the experiment's runs kept in S3, where clients write them."""
    MlflowClient(server.address, server.address).create_experiment(experiment, "s3://my-bucket/tracked")


def end_with_a_file(tracker: Tracking, folder: Path) -> None:
    (folder / "run.json").write_text("{}")
    tracker.model = Model({"model/run.json": folder / "run.json"}, 0.5, 7)


def test_a_training_without_boto3_is_refused_at_its_start(server, experiment, tmp_path, monkeypatch, capsys):
    keep_in_s3(server, experiment)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(StageError) as refused, tracking(server.address, experiment, tmp_path) as tracker:
        tracker.start(None, FACTS)
    assert refused.value.code == "PYTHON_UNAVAILABLE"
    assert f"{sys.executable} -m pip install boto3" in refused.value.hint
    assert "kept at s3://my-bucket/tracked/" in refused.value.message
    assert (runs(server, experiment)[1][0].info.status, warnings(capsys)) == ("FAILED", [])


def test_files_go_to_s3_with_the_keys_of_dot_env_also_after_an_end_without_boto3(
    server, experiment, tmp_path, monkeypatch, capsys
):
    keep_in_s3(server, experiment)
    # As of a server that did not answer soon enough at the start.
    with monkeypatch.context() as late:
        late.setitem(sys.modules, "boto3", None)
        late.setattr(tracking_module, "refuse_unwritable", lambda address: None)
        with tracking(server.address, experiment, tmp_path) as tracker:
            name = tracker.start(None, FACTS)
            end_with_a_file(tracker, tmp_path)
    told = warnings(capsys)
    assert "pip install boto3" in told[0] and "the same command sends it" in told[1]

    [packages] = PROGRAM.parents[1].glob("lib/python*/site-packages")
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    # No machine's own.
    for file in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(file, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StageError) as refused, tracking(server.address, experiment, tmp_path) as tracker:
        tracker.start(name, FACTS)
    assert (refused.value.code, "no AWS credentials" in refused.value.message) == ("ACCESS_DENIED", True)
    import boto3

    with moto_server(PROGRAM) as address:
        keys = "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n"
        (tmp_path / ".env").write_text(f"{keys}AWS_REGION=eu-west-1\nAWS_ENDPOINT_URL={address}\n")
        with tracking(server.address, experiment, tmp_path) as tracker:
            s3 = boto3.client("s3")
            s3.create_bucket(Bucket="my-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
            tracker.start(name, FACTS)
            end_with_a_file(tracker, tmp_path)
        [run] = runs(server, experiment)[1]
        kept = s3.list_objects_v2(Bucket="my-bucket")["Contents"]
        assert [file["Key"] for file in kept] == [f"tracked/{run.info.run_id}/artifacts/model/run.json"]
    assert (run.info.status, warnings(capsys)) == ("FINISHED", [])


def test_a_server_that_is_killed_in_the_middle_misses_nothing(server, experiment, tmp_path, capsys):
    with tracking(server.address, experiment, tmp_path) as tracker:
        name = tracker.start(None, FACTS)
        tracker.log(1, figures(1))
        tracker.log(2, figures(2))
    assert histories(server, experiment) == expected(1, 2)
    with tracking(server.address, experiment, tmp_path) as tracker:
        tracker.start(name, FACTS)
        # Whether this one arrives is left to chance.
        tracker.log(3, figures(3))
        server.kill()
        for step in range(4, 1500):
            tracker.log(step, figures(step))
    told = warnings(capsys)
    assert len(told) == 2 and "cannot be reached" in told[0]
    assert told[1].endswith("tracking.jsonl keeps it, and the same command sends it")
    server.launch()
    with tracking(server.address, experiment, tmp_path) as tracker:
        tracker.start(name, FACTS)
        tracker.log(1500, figures(1500))
        server.wait()
    assert histories(server, experiment) == expected(*range(1, 1501))
