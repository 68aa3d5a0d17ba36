"""What a stage tells the command line that started it."""

import json
from pathlib import Path

import pytest
import torch

from t2i_trainer.files import read_json
from t2i_trainer.stage import Issue, StageError, StageProgress, main, read_params, warn


def run(stage, tmp_path: Path, capsys) -> tuple[int, list[dict]]:
    params = tmp_path / "params.json"
    params.write_text('{"data": {"raw": "data/raw/flowers"}}')
    code = main("A stage.", stage, ["--project", str(tmp_path), "--params", str(params)])
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_stage_gets_folder_and_parameters_and_tells_its_result(tmp_path: Path, capsys):
    code, events = run(lambda folder, params: [str(folder), params.data.raw], tmp_path, capsys)
    assert code == 0
    assert events == [{"event": "result", "value": [str(tmp_path), "data/raw/flowers"]}]


def test_what_a_user_can_mend_is_told_with_every_mistake(tmp_path: Path, capsys):
    def stage(*_):
        raise StageError("DATA_INVALID", "no images", "Put some there.", (Issue("data.raw", "images", "none"),))

    code, events = run(stage, tmp_path, capsys)
    issue = {"option": "data.raw", "expected": "images", "received": "none"}
    assert code == 1
    assert events == [
        {
            "event": "error", "code": "DATA_INVALID", "message": "no images", "hint": "Put some there.",
            "issues": [issue],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (FileNotFoundError(2, "No such file or directory", "gone.txt"), "IO_FAILED", "gone.txt: No such file"),
        (OSError(28, "No space left on device", "big.bin"), "IO_FAILED", "big.bin: No space left"),
        (OSError(28, "No space left on device"), "IO_FAILED", "the disk is full"),
        (OSError(122, "Disk quota exceeded"), "IO_FAILED", "the disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "IO_FAILED", "the disk is full"),
        (RuntimeError("[enforce fail at x.cc:1] . unexpected pos 9 vs 5"), "IO_FAILED", "the disk is full"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"), "OUT_OF_MEMORY", "CUDA out of memory. Tried"),
        (KeyError("unet"), "INTERNAL", "Traceback"),
    ],
)
def test_other_failures_have_a_code_too(tmp_path: Path, capsys, raised: Exception, code: str, message: str):
    def stage(*_):
        raise raised

    ended, [event] = run(stage, tmp_path, capsys)
    assert (ended, event["event"], event["code"]) == (1, "error", code)
    assert event["message"].startswith(message)
    assert code == "INTERNAL" or event["hint"]


def test_progress_tells_rate_and_time_left_now_and_then_and_at_the_end(capsys):
    now = 0.0
    progress = StageProgress("captions", 40, "images", done=10, clock=lambda: now)
    for done in range(11, 41):
        now += 0.5
        progress.update(done, loss=torch.tensor(0.5), bad=float("nan"))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["done"] for event in events] == [*range(11, 41, 2), 40]
    assert events[1] == {
        "event": "progress", "what": "captions", "done": 13, "total": 40, "unit": "images", "rate": 2.0, "left": 13.5,
        "figures": {"loss": 0.5, "bad": None},
    }  # fmt: skip
    assert events[-1]["left"] == 0


def test_parameters_that_the_command_line_would_not_hand_over_are_refused_with_every_mistake(tmp_path: Path, capsys):
    params = tmp_path / "params.json"
    params.write_text(
        '{"unet": {"dropout": 1, "chanels": 3}, "training": {"batch_size": "4"}, "export": {"name": "a b"}, "other": 1}'
    )
    assert main(None, lambda *_: None, ["--project", str(tmp_path), "--params", str(params)]) == 1
    event = json.loads(capsys.readouterr().out)
    assert event["code"] == "OPTION_INVALID"
    assert sorted(issue["option"] for issue in event["issues"]) == [
        "export.name", "other", "training.batch_size", "unet.chanels", "unet.dropout",
    ]  # fmt: skip


def test_parameters_that_are_left_out_have_the_defaults_of_the_schema(tmp_path: Path):
    (tmp_path / "params.json").write_text("{}")
    read = read_params(tmp_path / "params.json")
    assert (read.training.batch_size, read.unet.block_out_channels) == (64, (192, 384, 576))


@pytest.mark.parametrize("content", [b"{", b"", b"\0\0\0", b"\xff\xfe"], ids=["cut off", "empty", "zeros", "no UTF-8"])
def test_a_file_that_is_damaged_is_told_by_its_name_not_as_a_bug(tmp_path: Path, capsys, content):
    (tmp_path / "report.json").write_bytes(content)
    code, events = run(lambda folder, _: read_json(folder / "report.json"), tmp_path, capsys)
    assert (code, events[0]["code"]) == (1, "DATA_INVALID")
    assert events[0]["message"].startswith(f"{tmp_path / 'report.json'} is damaged: ")


def test_an_event_is_written_in_one_piece_since_threads_write_too(monkeypatch):
    written: list[str] = []

    class Pieces:
        write = staticmethod(written.append)
        flush = staticmethod(lambda: None)

    monkeypatch.setattr("sys.stdout", Pieces())
    warn("a\nb")
    assert written == ['{"event": "warning", "message": "a\\nb"}\n']
