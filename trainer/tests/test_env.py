"""The environment script, with lock files that install in a moment."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from env import environment_dir

TRAINER = Path(__file__).parents[1]


def copy_beside(folder: Path, lock: str) -> Path:
    """A copy of env.py beside a lock file."""
    folder.mkdir()
    copy = folder / "env.py"
    copy.write_text((TRAINER / "env.py").read_text())
    (folder / "requirements.lock").write_text(lock)
    return copy


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> Path:
    """It asks for nothing."""
    return copy_beside(tmp_path_factory.mktemp("script") / "trainer", "# nothing\n")


@pytest.fixture(scope="module")
def two_at_once(script: Path, cache: Path) -> list[tuple[str, str, int]]:
    """What two printed and ended with that were the first to ask. Installing takes seconds: most tests share this."""
    both = [run(script, cache) for _ in range(2)]
    return [(*process.communicate(timeout=120), process.returncode) for process in both]


def run(script: Path, cache: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        env={**os.environ, "T2I_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_at_once_install_once_and_agree(two_at_once, cache: Path):
    assert [code for _, _, code in two_at_once] == [0, 0]
    assert two_at_once[0][0] == two_at_once[1][0]
    assert sum("installing into" in err for _, err, _ in two_at_once) == 1
    python = two_at_once[0][0].strip()
    assert python.startswith(str(cache / "t2i" / "python-"))
    assert subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True).returncode == 0


def test_what_is_installed_is_not_installed_again(two_at_once, script: Path, cache: Path):
    out, err = run(script, cache).communicate(timeout=120)
    assert out == two_at_once[0][0]
    assert "installing into" not in err


def test_a_half_made_environment_is_made_again(script: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("T2I_CACHE", str(tmp_path))
    folder = environment_dir((script.parent / "requirements.lock").read_bytes())
    folder.mkdir(parents=True)
    (folder / "left over").touch()
    assert "installing into" in run(script, tmp_path).communicate(timeout=120)[1]
    assert not (folder / "left over").exists()
    assert (folder / "complete").exists()


def test_whoever_asks_for_what_is_installed_installs_nothing(two_at_once, script: Path, cache: Path, tmp_path: Path):
    empty = tmp_path / "cache"
    asked = run(script, empty, "--installed")
    out, err = asked.communicate(timeout=120)
    assert (asked.returncode, out) == (69, "")
    assert "not installed" in err
    assert not empty.exists()
    assert run(script, cache, "--installed").communicate(timeout=120)[0] == two_at_once[0][0]


def test_another_lock_file_is_another_environment(two_at_once, script: Path, cache: Path, tmp_path: Path):
    other = tmp_path / "other.lock"
    other.write_text("# nothing\n")
    assert run(script, cache, "--lock", str(other)).communicate(timeout=120)[0] == two_at_once[0][0]
    other.write_text("# something else\n")
    asked = run(script, cache, "--installed", "--lock", str(other))
    assert (str(other) in asked.communicate(timeout=120)[1], asked.returncode) == (True, 69)
    assert environment_dir(b"# nothing\n") == environment_dir(b"# nothing\n") != environment_dir(b"# nothing else\n")


def test_a_failed_installation_is_reported_and_leaves_no_marker(tmp_path: Path):
    process = run(copy_beside(tmp_path / "trainer", "./no-such-folder\n"), tmp_path / "cache")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "could not be set up" in err
    assert not list(tmp_path.glob("cache/t2i/*/complete"))


def test_environments_that_nothing_used_for_long_are_named_and_kept(script: Path, tmp_path: Path):
    root = tmp_path / "t2i"
    long_ago = time.time() - 31 * 86_400
    for name, used in {"python-old": long_ago, "python-new": time.time(), "other": long_ago}.items():
        (root / name).mkdir(parents=True)
        (root / name / "complete").touch()
        os.utime(root / name / "complete", (used, used))
    out, err = run(script, tmp_path).communicate(timeout=120)
    told = [line for line in err.splitlines() if "not used" in line]
    assert told == [f"{root / 'python-old'} was not used for 30 days: remove it to free its space"]
    assert (root / "python-old").is_dir()
    marker = Path(out.strip()).parents[1] / "complete"
    for arguments in [[], ["--installed"]]:
        os.utime(marker, (long_ago, long_ago))
        run(script, tmp_path, *arguments).communicate(timeout=120)
        assert marker.stat().st_mtime > long_ago + 86_400
