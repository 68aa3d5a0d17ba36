"""Tracking servers for tests: a real one of MLflow, and some that are not what they should be."""

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def mlflow_program() -> Path | None:
    """`mlflow` of the tests' own environment, or None where that is not installed."""
    lock = ROOT / "test/ops/requirements.lock"
    asked = [sys.executable, ROOT / "trainer/env.py", "--installed", "--lock", lock]
    found = subprocess.run(asked, capture_output=True, text=True)
    return Path(found.stdout.strip()).with_name("mlflow") if found.returncode == 0 else None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class MlflowServer:
    """`mlflow server` on loopback, with its records in a folder, so that it may be killed and started again."""

    def __init__(self, program: Path, folder: Path):
        self.program, self.folder, self.port = program, folder, free_port()
        self.address = f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        """Starts it, without waiting for it."""
        command = [
            self.program, "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self.folder}/records.db",
            "--artifacts-destination", self.folder / "artifacts",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )  # fmt: skip
        self.output, self.started = [], threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.output.append(line)
            if "Uvicorn running on" in line:
                self.started.set()
        self.started.set()

    def wait(self) -> "MlflowServer":
        """Until it answers."""
        self.started.wait()
        assert self.process.poll() is None, "".join(self.output)
        with urllib.request.urlopen(f"{self.address}/health") as answer:
            assert answer.read() == b"OK"
        return self

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def moto_server(program: Path) -> Iterator[str]:
    """The address of moto, which stands in for AWS, from the environment that has `program`."""
    port = free_port()
    command = [program.with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert any("Running on" in line for line in process.stderr), "moto did not start"
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def http_server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server all of whose answers are given by `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            answer(self)

        do_GET = do_POST = do_PUT = do_PATCH = respond

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def answer_always(status: int, body: str, seen: list[str] | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    """The same answer to everything; `seen` gets the user and password of each request."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        if seen is not None:
            seen.append(base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode())
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body.encode())

    return answer


def lose_answers(address: str, lost: set[str]) -> Callable[[BaseHTTPRequestHandler], None]:
    """Hands everything to the server at `address`, but the first answer to each path that ends as one of `lost` does
    is cut off."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        asked = urllib.request.Request(address + request.path, body or None, headers, method=request.command)
        try:
            with urllib.request.urlopen(asked) as got:
                status, content = got.status, got.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        for ending in [ending for ending in lost if request.path.endswith(ending)]:
            lost.remove(ending)
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer
