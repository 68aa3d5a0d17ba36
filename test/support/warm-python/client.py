"""Stands for a Python process that server.py forks: python -IS client.py SOCKET PYTHON EXECUTABLE [ARGUMENT ...]

Takes the arguments of an interpreter. Hands its files, environment and signals to the process, and ends as that ends;
where it is killed, so is the process. What the server cannot do (any option but -u, -c and -m) is done by PYTHON
itself, as is all where T2I_COLD_PYTHON is set.
"""

# Loading pathlib takes longer than all that is done here.
# ruff: noqa: PTH109, PTH110, PTH113, PTH208

import json
import os
import signal
import socket
import struct
import sys

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def parse(arguments: list[str]) -> dict | None:
    """What the interpreter is to run; None for what the server cannot."""
    unbuffered = arguments[:1] == ["-u"]
    rest = arguments[unbuffered:]
    if rest[:1] == ["-c"] and len(rest) > 1:
        found = {"kind": "code", "what": rest[1], "argv": ["-c", *rest[2:]]}
    elif rest[:1] == ["-m"] and len(rest) > 1:
        found = {"kind": "module", "what": rest[1], "argv": ["-m", *rest[2:]]}
    elif rest and not rest[0].startswith("-") and os.path.isfile(rest[0]):
        found = {"kind": "script", "what": rest[0], "argv": rest}
    else:
        return None
    return {**found, "unbuffered": unbuffered}


def open_files() -> list[int]:
    """The descriptors that this process was started with."""
    numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    return [number for number in numbers if os.path.exists(f"/proc/self/fd/{number}")]


def main(path: str, python: str, executable: str, arguments: list[str]) -> int:
    given = None if os.environ.get("T2I_COLD_PYTHON") else parse(arguments)
    if given is None:
        os.execv(python, [python, *arguments])
    files = open_files()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    umask = os.umask(0)
    os.umask(umask)
    request = {
        **given,
        "executable": executable,
        "env": dict(os.environ),
        "cwd": os.getcwd(),
        "umask": umask,
        "parent": os.getppid(),
        "group": os.getpgid(0),
        "descriptors": files,
    }
    payload = json.dumps(request).encode()
    socket.send_fds(connection, [struct.pack("!Q", len(payload))], files)
    connection.sendall(payload)
    for number in PASSED_ON:
        signal.signal(number, lambda received, _: connection.sendall(bytes([received])))
    for number in files:
        os.close(number)
    answer = connection.recv(4, socket.MSG_WAITALL)
    if len(answer) < 4:
        return 1
    (code,) = struct.unpack("!i", answer)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:4], sys.argv[4:]))
