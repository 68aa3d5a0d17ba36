"""What tracks a training bears with anything that a server, a project or a kill may do."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_training import params, resolved, run
from tracking_servers import answer_always, free_port, http_server

from t2i_trainer.params import Params
from t2i_trainer.tracking import tracking as tracking_module
from t2i_trainer.tracking.environment import AWS_KEYS, AWS_PLACES, SECRETS, SETTINGS, STYLE, prepare_environment
from t2i_trainer.tracking.open_tracking import open_tracking
from t2i_trainer.tracking.sender import Sender
from t2i_trainer.tracking.spool import Spool
from t2i_trainer.tracking.values import cut, flatten

PASSWORD = "open${sesame}"


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> Iterator[None]:
    """What the tracker sets is not set for others, and no test hears what another one was still to tell."""
    for name in (*SECRETS, *AWS_KEYS, *AWS_PLACES, STYLE, *SETTINGS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield
    for thread in threading.enumerate():
        if isinstance(thread, Sender):
            thread.join()


def warnings(capsys) -> list[str]:
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [event["message"] for event in events if event["event"] == "warning"]


def at(address: str | None) -> Params:
    return resolved({"mlflow": {"server_uri": address}, "clip": {"max_length": 16}})


def follow(address: str, folder: Path, project: Path | None = None):
    """The tracker of a run that a server at `address` is told of."""
    return open_tracking(project or folder, folder, at(address))


def train_against(address: str, folder: Path) -> dict:
    """A tiny training with a server at `address`."""
    with follow(address, folder) as tracker:
        return run(folder, params(), tracker)


def check_kept(folder: Path) -> None:
    """The spool has the figures of all four validations."""
    lines = [json.loads(line) for line in (folder / "tracking.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines[1:]] == [2, 4, 6, 8]
    assert set(lines[1]["figures"]) >= {"train_diffuser_loss", "val_diffuser_loss", "lr"}


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, "oh", "answers with error 500"),
        (429, "", "answers with error 429"),
        (401, "You are not authenticated", "refuses the credentials (401). Set MLFLOW_TRACKING_USERNAME"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', "refuses the credentials (403)"),
        (400, '{"error_code": "INVALID_STATE", "message": "deleted."}', "the server answers: INVALID_STATE: deleted. "),
        (200, "<html>hello</html>", "not an MLflow server. Correct mlflow.server_uri"),
        (404, "<html>gone</html>", "not an MLflow server. Correct mlflow.server_uri"),
    ],
)
def test_a_training_bears_with_a_server_that_answers_wrongly(tmp_path, capsys, status, body, words):
    with http_server(answer_always(status, body)) as address, follow(address, tmp_path) as tracker:
        tracker.start(None, {"config_hash": "abc"})
        tracker.log(1, {"lr": 0.5})
    told = warnings(capsys)
    assert len(told) == 2 and words in told[0] and address in told[0] and "html" not in told[0]
    assert "the same command sends it" in told[1]
    assert json.loads((tmp_path / "tracking.jsonl").read_text().splitlines()[1])["figures"] == {"lr": 0.5}


def test_a_training_bears_with_a_server_that_is_away(tmp_path, capsys):
    assert train_against(f"http://127.0.0.1:{free_port()}", tmp_path)["status"] == "finished"
    check_kept(tmp_path)
    assert "cannot be reached. Correct mlflow.server_uri" in warnings(capsys)[0]


def test_a_training_does_not_wait_for_a_server_that_does_not_answer(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tracking_module, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(tracking_module, "LAST_SECONDS", 0.0)
    asked, over = threading.Event(), threading.Event()

    def answer(request) -> None:
        asked.set()
        over.wait()

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "600")
    with http_server(answer) as address:
        assert train_against(address, tmp_path)["status"] == "finished"
        asked.wait()
        over.set()
    check_kept(tmp_path)
    assert any("the same command sends it" in told for told in warnings(capsys))


def test_an_answer_that_does_not_come_in_time_is_a_warning(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    # The server is there until the last try has ended, however busy the machine.
    monkeypatch.setattr(tracking_module, "LAST_SECONDS", 1e6)
    over = threading.Event()
    with http_server(lambda request: over.wait()) as address:
        with follow(address, tmp_path) as tracker:
            tracker.start(None, {"config_hash": "abc"})
        over.set()
    assert "no answer within 1 seconds" in warnings(capsys)[0]


def test_credentials_of_dot_env_are_sent_and_written_nowhere(tmp_path, capfd):
    (tmp_path / ".env").write_text(f"MLFLOW_TRACKING_USERNAME=anna\nMLFLOW_TRACKING_PASSWORD='{PASSWORD}'\nHOME=x\n")
    seen, folder = [], tmp_path / "runs/mine"
    answer = answer_always(401, f"wrong: anna:{PASSWORD}", seen)
    with http_server(answer) as address, follow(address, folder, tmp_path) as tracker:
        tracker.start(None, {"config_hash": "abc"})
    assert set(seen) == {f"anna:{PASSWORD}"}
    printed = capfd.readouterr()
    for text in (printed.out, printed.err, (folder / "tracking.jsonl").read_text(), str(tracker.parameters)):
        assert "sesame" not in text and "anna" not in text
    assert os.environ["HOME"] != "x"


def test_the_environment_goes_before_dot_env(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("MLFLOW_TRACKING_USERNAME=anna\nMLFLOW_TRACKING_PASSWORD=file\n")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "given")
    prepare_environment(tmp_path)
    assert [os.environ[name] for name in SECRETS[:2]] == ["anna", "given"]


def test_keys_of_aws_are_a_pair_of_one_place(tmp_path, monkeypatch):
    pair = "AWS_ACCESS_KEY_ID=file\nAWS_SECRET_ACCESS_KEY=file\n"
    (tmp_path / ".env").write_text(f"{pair}AWS_REGION=eu-west-1\nAWS_ENDPOINT_URL=http://127.0.0.1:9\n")
    # A half is none, and the token is that of another session.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "given")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "given")
    prepare_environment(tmp_path)
    assert [os.environ.get(name) for name in AWS_KEYS] == ["file", "file", None]
    assert (os.environ["AWS_DEFAULT_REGION"], os.environ[STYLE]) == ("eu-west-1", "path")
    for name in AWS_KEYS:
        monkeypatch.setenv(name, "given")
    prepare_environment(tmp_path)
    assert [os.environ.get(name) for name in AWS_KEYS] == ["given", "given", "given"]


def test_a_token_of_the_environment_is_not_hidden_by_a_user_of_dot_env(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("MLFLOW_TRACKING_USERNAME=anna\nMLFLOW_TRACKING_PASSWORD=file\n")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "given")
    prepare_environment(tmp_path)
    assert "MLFLOW_TRACKING_USERNAME" not in os.environ


def test_there_is_no_tracker_without_a_server_or_on_a_second_rank(tmp_path, monkeypatch):
    with open_tracking(tmp_path, tmp_path, at(None)) as tracker:
        assert tracker is None
    monkeypatch.setenv("RANK", "1")
    with open_tracking(tmp_path, tmp_path, at("http://127.0.0.1:9")) as tracker:
        assert tracker is None


def test_a_spool_outlives_a_kill_that_cuts_off_its_last_line(tmp_path):
    spool = Spool(tmp_path)
    name = spool.open(None, "abc")
    spool.add(1, {"lr": 0.5, "grad_norm": float("nan")})
    with spool.file.open("a") as lines:
        lines.write('{"step": 2, "fig')
    again = Spool(tmp_path)
    assert again.open(None, "abc") == name, "killed before its first checkpoint, it is the same run"
    again.add(1, {"lr": 0.7, "grad_norm": 1.0})
    again.add(2, {"lr": 0.6})
    assert [(figure.step, figure.value) for figure in again.figures] == [(1, 0.5), (2, 0.6)]
    assert again.left_out == 1 and again.started == spool.started
    assert Spool(tmp_path).open(name, "abc") == name and len(spool.file.read_text().splitlines()) == 3


def test_the_spool_of_another_training_is_moved_aside(tmp_path):
    old = Spool(tmp_path)
    name = old.open(None, "abc")
    old.add(1, {"lr": 0.5})
    text, new = old.file.read_text(), Spool(tmp_path)
    assert new.open(None, "other") != name and new.figures == []
    assert (tmp_path / f"tracking.{name}.jsonl").read_text() == text
    given = Spool(tmp_path)
    assert given.open("run 7", "other") == "run 7"


def test_parameters_are_flat_text_and_long_ones_are_named():
    flat = flatten({"unet": {"layers": (1, 2), "init_from": None, "deep": {"on": True}}, "name": "rose"})
    assert flat == {"unet.layers": "[1, 2]", "unet.init_from": "null", "unet.deep.on": "true", "name": "rose"}
    assert cut({"a": "12345", "b": "1234"}, 4) == ({"a": "1234", "b": "1234"}, ["a"])
