"""The environment script, with lock files that install in a moment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAINER = Path(__file__).parents[1]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A copy of env.py beside a lock file that asks for nothing."""
    copy = tmp_path / "env.py"
    copy.write_text((TRAINER / "env.py").read_text())
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    return copy


def run(script: Path, cache: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        env={**os.environ, "T2I_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_at_once_install_once_and_agree(script: Path, tmp_path: Path):
    both = [run(script, tmp_path / "cache") for _ in range(2)]
    results = [(*process.communicate(timeout=120), process.returncode) for process in both]
    assert [code for _, _, code in results] == [0, 0]
    assert results[0][0] == results[1][0]
    assert sum("installing into" in err for _, err, _ in results) == 1
    python = results[0][0].strip()
    assert python.startswith(str(tmp_path / "cache" / "t2i" / "python-"))
    assert subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True).returncode == 0


def test_a_half_made_environment_is_made_again(script: Path, tmp_path: Path):
    python = Path(run(script, tmp_path).communicate(timeout=120)[0].strip())
    folder = python.parents[1]
    (folder / "complete").unlink()
    (folder / "left over").touch()
    assert "installing into" in run(script, tmp_path).communicate(timeout=120)[1]
    assert not (folder / "left over").exists()
    assert "installing into" not in run(script, tmp_path).communicate(timeout=120)[1]


def test_whoever_asks_for_what_is_installed_installs_nothing(script: Path, tmp_path: Path):
    cache = tmp_path / "cache"
    asked = run(script, cache, "--installed")
    out, err = asked.communicate(timeout=120)
    assert (asked.returncode, out) == (69, "")
    assert "not installed" in err
    assert not cache.exists()
    python = run(script, cache).communicate(timeout=120)[0]
    assert run(script, cache, "--installed").communicate(timeout=120)[0] == python


def test_another_lock_file_is_another_environment(script: Path, tmp_path: Path):
    first = run(script, tmp_path).communicate(timeout=120)[0]
    (script.parent / "requirements.lock").write_text("# nothing else\n")
    assert run(script, tmp_path).communicate(timeout=120)[0] != first


def test_a_failed_installation_is_reported_and_leaves_no_marker(script: Path, tmp_path: Path):
    (script.parent / "requirements.lock").write_text("./no-such-folder\n")
    process = run(script, tmp_path / "cache")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "could not be set up" in err
    assert not list(tmp_path.glob("cache/t2i/*/complete"))
