"""Forks Python processes that have the trainer's libraries loaded: python server.py SOCKET

Most of the time of a test that starts a stage is the import of PyTorch, diffusers and transformers, which is the same
each time. This process imports them once, when it is first asked, and forks for each request of client.py a process
that then does what the interpreter would have done. The trainer's own modules are never loaded here: those of the code
under test are loaded by each process, as ever.

It ends when its standard input does, which its starter holds.
"""

import atexit
import contextlib
import ctypes
import fcntl
import importlib
import io
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

#: A length in bytes, and the most file descriptors that a request hands over.
LENGTH, DESCRIPTORS = struct.Struct("!Q"), 64
#: Of prctl(2): the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Request:
    """What a process is to be; client.py writes it."""

    kind: str  # "script", "module" or "code"
    what: str
    argv: list[str]
    unbuffered: bool
    executable: str
    env: dict[str, str]
    cwd: str
    umask: int
    parent: int
    group: int
    descriptors: list[int]


def import_libraries() -> None:
    """What the stages and the backend load of others; nothing is left to do the second time."""
    for package in ("numpy", "onnx", "torch.distributed.launcher"):
        importlib.import_module(package)
    # They load what is asked of them.
    from diffusers import (  # noqa: F401
        AutoencoderKL,
        DDIMScheduler,
        DDPMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401


class Server:
    def __init__(self, path: str):
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(128)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self.running: set[Forked] = set()

    def serve(self) -> tuple[Request, list[int]] | None:
        """Serves to the end of standard input. In a process that it forked: what this is to be, and its descriptors."""
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    return None
                if begun := key.data():
                    return begun

    def _accept(self) -> tuple[Request, list[int]] | None:
        connection, _ = self.listener.accept()
        received = receive(connection)
        if received is None:
            connection.close()
            return None
        import_libraries()
        child = os.fork()
        alone = not join(child, received[0].group)
        if child == 0:
            connection.close()
            self._close()
            return received
        for descriptor in received[1]:
            os.close(descriptor)
        Forked(child, alone, connection, self)
        return None

    def _close(self) -> None:
        """Closes in a process that was forked what is the server's: later it might close another's file."""
        self.listener.close()
        self.selector.close()
        for forked in self.running:
            forked.close()


class Forked:
    """A process that was forked, and the client that stands for it."""

    def __init__(self, pid: int, alone: bool, connection: socket.socket, server: Server):
        self.pid, self.connection = pid, connection
        self.selector, self.running = server.selector, server.running
        # A client that leads a session of its own is ended with all its group.
        self.kill = os.killpg if alone else os.kill
        self.handle = os.pidfd_open(pid)
        self.selector.register(connection, selectors.EVENT_READ, self._signal)
        self.selector.register(self.handle, selectors.EVENT_READ, self._reap)
        self.running.add(self)

    def close(self) -> None:
        self.connection.close()
        os.close(self.handle)

    def _signal(self) -> None:
        """Passes on the signals that the client got; where that is gone, it was killed."""
        if self not in self.running:
            return  # It ended at the same moment.
        try:
            numbers = self.connection.recv(64)
        except ConnectionError:
            numbers = b""
        for number in numbers or [signal.SIGKILL]:
            self.kill(self.pid, number)
        if not numbers:
            self.selector.unregister(self.connection)

    def _reap(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.selector.unregister(self.handle)
        with contextlib.suppress(KeyError):
            self.selector.unregister(self.connection)
        # The client may have been killed in the meantime.
        with contextlib.suppress(OSError):
            self.connection.sendall(struct.pack("!i", os.waitstatus_to_exitcode(status)))
        self.close()
        self.running.discard(self)


def join(pid: int, group: int) -> bool:
    """Puts a process (0: this one) into the group of its client; False where that is in another session, and the
    process in a group of its own."""
    with contextlib.suppress(PermissionError):
        os.setpgid(pid, group)
        return True
    os.setpgid(pid, 0)
    return False


def receive(connection: socket.socket) -> tuple[Request, list[int]] | None:
    """A request and the descriptors that came with it; None where the client ended before it was whole."""
    head, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, DESCRIPTORS)
    missing = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
    text = b""
    while len(text) < missing and (piece := connection.recv(missing - len(text))):
        text += piece
    if 0 < missing == len(text):
        return Request(**json.loads(text)), descriptors
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def become(request: Request, received: list[int]) -> None:
    """Makes this process what a new interpreter with the same arguments is before its first line."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    take_descriptors(received, request.descriptors)
    os.umask(request.umask)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    os.getppid = lambda: request.parent
    sys.executable = request.executable
    sys.argv = request.argv
    sys.dont_write_bytecode = bool(request.env.get("PYTHONDONTWRITEBYTECODE"))
    first = {"script": str(Path(request.what).resolve().parent), "module": request.cwd, "code": ""}[request.kind]
    paths = [path for path in request.env.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [first, *paths]
    open_streams(request.unbuffered or bool(request.env.get("PYTHONUNBUFFERED")))
    if threads := request.env.get("OMP_NUM_THREADS"):
        sys.modules["torch"].set_num_threads(int(threads))
    # The seeds of other generators are drawn again by themselves, or always the same.
    sys.modules["numpy"].random.seed()


def take_descriptors(received: list[int], wanted: list[int]) -> None:
    """Gives the received files the numbers that they had at the client."""
    above = max([*received, *wanted]) + 1
    held = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for descriptor in received]
    for descriptor in received:
        os.close(descriptor)
    for descriptor, number in zip(held, wanted, strict=True):
        os.dup2(descriptor, number, inheritable=True)
        os.close(descriptor)


def open_streams(unbuffered: bool) -> None:
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        file: Any = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
        if number == 0:
            file = io.BufferedReader(file)
        elif not unbuffered:
            file = io.BufferedWriter(file)
        stream = io.TextIOWrapper(
            file, "utf-8", "surrogateescape", line_buffering=number == 2, write_through=unbuffered and number > 0
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run(request: Request) -> None:
    if request.kind == "module":
        runpy.run_module(request.what, run_name="__main__", alter_sys=True)
        return
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if request.kind == "code":
        exec(compile(request.what, "<string>", "exec"), main.__dict__)
    else:
        # As the interpreter names it: not `./` taken out.
        main.__file__ = f"{request.cwd}/{request.what}" if not request.what.startswith("/") else request.what
        exec(compile(Path(request.what).read_bytes(), main.__file__, "exec"), main.__dict__)


def end(request: Request) -> NoReturn:
    """Runs a program and ends as the interpreter does, but for taking the libraries apart, which takes a second."""
    code: object = 0
    try:
        run(request)
    except SystemExit as asked:
        code = asked.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    begun = Server(sys.argv[1]).serve()
    # Where the server's frames are gone, and what they held.
    if begun:
        become(*begun)
        end(begun[0])
