"""A real `t2i serve` with the tiny models for the tests of the apps. Needs the built program in dist/."""

import io
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "test" / "fixtures"
sys.path.insert(0, str(ROOT / "apps"))

KEY, OTHER_KEY = "a-key-that-is-long-enough", "another-key-long-enough"
# More than a test can wait for: only a cancel ends it.
ENDLESS = {"prompt": "a red apple", "steps": 200, "n": 10, "size": "512x512", "previews": 6}
# Seconds, far beyond what a busy machine needs.
LIMIT = 60


@dataclass
class Server:
    url: str
    admin_url: str
    key: str | None = None

    def count(self, metric: str) -> int:
        """Sum of a metric's values over its labels."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        text = httpx.get(f"{self.admin_url}/metrics", headers=headers).text
        return sum(int(value) for value in re.findall(rf"^{metric}(?:{{.*}})? (\d+)$", text, re.M))


def eventually(look: Callable[[], bool]) -> None:
    """Waits for what comes, however busy the machine is."""
    end = time.monotonic() + LIMIT
    while not look():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def start_server(*arguments: str, key: str | None = None) -> tuple[subprocess.Popen[str], Server]:
    node = shutil.which("node")
    assert node is not None
    models = ["--model", str(MODELS / "tiny"), "--model", str(MODELS / "tiny-lcm")]
    command = [node, str(ROOT / "bin" / "t2i.mjs"), "serve", "--port", "0", "--admin-port", "0", "--json", *models]
    process = subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    return process, Server(told["url"], told["adminUrl"], key)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One that draws for everybody."""
    process, server = start_server()
    yield server
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that asks for a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text(f"{KEY}\n{OTHER_KEY}\n")
    process, server = start_server("--api-key-file", str(keys), key=KEY)
    yield server
    process.kill()
    process.wait()


@pytest.fixture
def full_server() -> Iterator[Server]:
    """One that draws, and has no room for more."""
    process, server = start_server("--queue", "1")
    for prompt in ("drawn", "waits"):
        httpx.post(f"{server.url}/v1/jobs", json={**ENDLESS, "prompt": prompt}).raise_for_status()
        eventually(lambda: httpx.get(f"{server.url}/v1/capabilities").json()["queue"]["running"] == 1)
    yield server
    process.kill()
    process.wait()


@pytest.fixture
def use_server(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server | str, str | None], None]:
    """Names the server and the key to an app, as its users do."""

    def use(server: Server | str, key: str | None = None) -> None:
        monkeypatch.setenv("T2I_URL", server if isinstance(server, str) else server.url)
        monkeypatch.delenv("T2I_API_KEY", raising=False)
        if key is not None:
            monkeypatch.setenv("T2I_API_KEY", key)

    return use


def receipt_of(png: bytes) -> dict[str, object]:
    """The receipt that the server wrote into an image."""
    return json.loads(Image.open(io.BytesIO(png)).text["t2i-receipt"])
