"""What a training container does with what it is given."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from t2i_trainer.container import launch, packages, secrets
from t2i_trainer.container.archives import unpack_pushed
from t2i_trainer.container.contract import Container
from t2i_trainer.container.launch import Figures, children_of
from t2i_trainer.container.project import keep_model
from t2i_trainer.pack import pack
from t2i_trainer.stage import StageError

ENTRY = Path(__file__).resolve().parents[1] / "sagemaker/sm_entry.sh"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return written.getvalue()


def pushed(folder: Path, archive: bytes, files: dict[str, bytes], **manifest) -> Path:
    """A channel with one archive, whose manifest lists `files`."""
    folder.mkdir()
    (folder / "a.tar").write_bytes(archive)
    listed = {name: {"bytes": len(data), "sha256": sha256(data), "archive": "a.tar"} for name, data in files.items()}
    record = {"formatVersion": 1, "format": "shards", "files": listed}
    record["archives"] = {"a.tar": {"bytes": len(archive), "sha256": sha256(archive)}}
    (folder / "manifest.json").write_text(json.dumps(record | manifest))
    return folder


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


GOOD = {"data/raw/captions/a.txt": b"a red flower", "data/raw/images/a.png": b"image"}


def test_a_shard_is_unpacked_by_its_manifest(tmp_path):
    assert unpack_pushed(pushed(tmp_path / "in", tar(*GOOD.items()), GOOD), tmp_path / "out") == 2
    assert (tmp_path / "out/data/raw/captions/a.txt").read_bytes() == b"a red flower"


@pytest.mark.parametrize(
    "archive, files",
    [
        (tar(("../evil", b"x")), {"../evil": b"x"}),
        (tar(("/tmp/t2i-evil", b"x")), {"/tmp/t2i-evil": b"x"}),
        (tar(("a\\..\\evil", b"x")), {"a\\..\\evil": b"x"}),
        (tar(link("a", "/etc/passwd")), {"a": b""}),
        (tar(link("a", "b", tarfile.LNKTYPE), ("b", b"x")), {"a": b"", "b": b"x"}),
        (tar(("a", b"x"), ("extra", b"y")), {"a": b"x"}),
        (tar(("a", b"x")), {"a": b"x", "b": b"y"}),
        (tar(("a", b"0" * 10_000)), {"a": b"0"}),
        (tar(("a", b"x")), {"a": b"y"}),
        (tar(("a", b"x"), ("a", b"x")), {"a": b"x"}),
        (b"no tar file", {"a": b"x"}),
        (tar(("a", b"x" * 2000))[:1024], {"a": b"x" * 2000}),
    ],
)
def test_what_the_manifest_does_not_list_is_refused(tmp_path, archive, files):
    with pytest.raises(StageError) as caught:
        unpack_pushed(pushed(tmp_path / "in", archive, files), tmp_path / "out")
    assert caught.value.code == "DATA_INVALID"
    assert not (tmp_path / "evil").exists() and not Path("/tmp/t2i-evil").exists()
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_an_archive_that_was_damaged_on_its_way_is_refused(tmp_path):
    folder = pushed(tmp_path / "in", tar(*GOOD.items()), GOOD)
    (folder / "a.tar").write_bytes(tar(*GOOD.items(), ("more", b"x")))
    with pytest.raises(StageError, match="SHA-256"):
        unpack_pushed(folder, tmp_path / "out")


def test_a_zip_is_unpacked_by_both_lists(tmp_path):
    source = tmp_path / "source"
    for name, data in GOOD.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    pack(source, tmp_path / "a.zip")
    archive = (tmp_path / "a.zip").read_bytes()
    assert unpack_pushed(pushed(tmp_path / "in", archive, GOOD, format="zip"), tmp_path / "out") == 2
    assert (tmp_path / "out/data/raw/images/a.png").read_bytes() == b"image"
    other = {**GOOD, "data/raw/images/a.png": b"other"}
    with pytest.raises(StageError, match="SHA-256"):
        unpack_pushed(pushed(tmp_path / "in-2", archive, other, format="zip"), tmp_path / "out-2")


def container(root: Path, host: str = "algo-1", hosts: tuple[str, ...] = ("algo-1",)) -> Container:
    return Container(root, host, hosts, "lo")


def test_hosts_are_ordered_by_their_numbers(tmp_path, monkeypatch):
    names = [f"algo-{number}" for number in (10, 2, 1, 9)]
    config = tmp_path / "input/config"
    config.mkdir(parents=True)
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-10", "hosts": names}))
    monkeypatch.setenv("T2I_ML_ROOT", str(tmp_path))
    found = Container.here()
    assert found.hosts == ("algo-1", "algo-2", "algo-9", "algo-10")
    assert not found.first
    monkeypatch.setattr(launch, "gpus", lambda: 4)
    command = launch._torchrun(found)
    assert command[command.index("--node_rank") :] == [
        "--node_rank", "3", "--nproc_per_node", "4", "--master_addr", "algo-1", "--master_port", "7777",
    ]  # fmt: skip


def test_code_that_is_not_what_was_sent_is_not_run(tmp_path):
    code = tmp_path / "input/data/code"
    code.mkdir(parents=True)
    (code / "code.tar").write_bytes(tar(("trainer/sagemaker/job.py", b"open('ran', 'w')")))
    ended = subprocess.run(
        ["bash", ENTRY, "0" * 64], env={**os.environ, "T2I_ML_ROOT": str(tmp_path)}, cwd=tmp_path, capture_output=True
    )
    assert ended.returncode == 1
    assert "not the code that was sent" in (tmp_path / "output/failure").read_text()
    assert not (tmp_path / "ran").exists() and not (tmp_path / "code").exists()


def test_the_model_is_the_run_without_its_checkpoints_with_the_hash_of_each_file(tmp_path):
    run = tmp_path / "checkpoints"
    for name in ("run.json", "best/unet/config.json", "checkpoints/step-3/rank-0.pt", "best/.config.json.1.tmp"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    keep_model(container(tmp_path), {"status": "finished"})
    record = json.loads((tmp_path / "model/t2i-job.json").read_text())
    assert record["result"] == {"status": "finished"}
    assert record["files"] == {
        name: {"bytes": len(name), "sha256": sha256(name.encode())} for name in ("best/unet/config.json", "run.json")
    }
    assert not (tmp_path / "model/checkpoints").exists()


def test_figures_are_told_once_and_in_full_precision(tmp_path, capsys):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1, "lr": 1.0}\n')
    figures = Figures(file)
    with file.open("a") as lines:
        lines.write('{"step": 2, "lr": 1e-05, "val_diffuser_loss": null}\n{"step": 3')
    figures.close()
    assert capsys.readouterr().out == "step=2 lr=1e-05\n"


def test_the_ranks_of_a_launcher_are_found_by_their_parent():
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE) as launcher:
        while not (found := children_of(launcher.pid)):
            pass
        assert len(found) == 1 and found != [launcher.pid]
        launcher.communicate(b"\n")


def test_a_secret_that_cannot_be_read_is_named_without_what_the_service_said(monkeypatch):
    def refuse(arn: str) -> str:
        error = RuntimeError("canary-in-the-answer")
        error.response = {"Error": {"Code": "AccessDeniedException"}}
        raise error

    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mlflow"
    monkeypatch.setenv("T2I_SECRET_MLFLOW_TRACKING_PASSWORD", arn)
    monkeypatch.setattr(secrets, "_fetch", refuse)
    with pytest.raises(StageError) as caught:
        secrets.fetch_secrets()
    assert caught.value.message == (
        f"the secret for MLFLOW_TRACKING_PASSWORD could not be read from {arn}: AccessDeniedException"
    )
    assert caught.value.__suppress_context__
    monkeypatch.setattr(secrets, "_fetch", lambda arn: '{"MLFLOW_TRACKING_PASSWORD": "one", "OTHER": "two"}')
    secrets.fetch_secrets()
    assert os.environ.pop("MLFLOW_TRACKING_PASSWORD") == "one"


ALONE, TRACKED = ({"mlflow": {"server_uri": uri}} for uri in (None, "https://mlflow.example.org"))


def test_packages_that_the_container_lacks_have_the_versions_of_the_lock_file(monkeypatch):
    assert packages.missing_packages(TRACKED) == []
    absent = {"dotenv", "mlflow"}
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None if name in absent else object())
    found = [*packages.missing_packages(ALONE), *packages.missing_packages(TRACKED)]
    assert [name.partition("==")[0] for name in found] == ["python-dotenv", "python-dotenv", "mlflow-skinny"]
    assert set(found) <= set(packages.LOCK_FILE.read_text().splitlines())


def test_a_container_installs_what_it_lacks_from_the_wheels_that_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/params.json").write_text(json.dumps(TRACKED))
    (tmp_path / "input/data/wheels").mkdir(parents=True)
    monkeypatch.setenv("T2I_ML_ROOT", str(tmp_path))
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None if name == "mlflow" else object())
    ran = []
    monkeypatch.setattr(packages.subprocess, "run", lambda command, **options: ran.append(command))
    packages.install_missing()
    [command] = ran
    assert command[-4:-1] == ["--no-index", "--find-links", str(tmp_path / "input/data/wheels")]
    assert command[-1].startswith("mlflow-skinny==")
