"""Messages to and from the SDK: the other side of src/backends/process/frames.ts, where the form of a frame stands."""

import json
import struct
from typing import Any, BinaryIO

import numpy as np

PREFIX = struct.Struct("<II")
ARRAYS: dict[str, np.dtype[Any]] = {"f4": np.dtype("<f4"), "i4": np.dtype("<i4"), "u1": np.dtype("u1")}


def read_frame(stream: BinaryIO) -> Any:
    """The next message, its arrays as NumPy's; raises EOFError at the end of the stream."""
    lengths = PREFIX.unpack(_read(stream, PREFIX.size))
    text, body = (_read(stream, length) for length in lengths)

    def place(found: dict[str, Any]) -> Any:
        if "$array" not in found:
            return found
        return np.frombuffer(body, ARRAYS[found["$array"]], found["length"], found["at"])

    return json.loads(text, object_hook=place)


def write_frame(stream: BinaryIO, message: Any) -> None:
    """Writes one message; its arrays are NumPy's, float32, int32 or uint8."""
    arrays: list[bytes] = []

    def place(array: object) -> dict[str, Any]:
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{type(array).__name__} cannot be sent")
        name = next(name for name, dtype in ARRAYS.items() if dtype == array.dtype)
        at = sum(map(len, arrays))
        arrays.append(array.tobytes())
        return {"$array": name, "at": at, "length": array.size}

    text = json.dumps(message, default=place, allow_nan=False).encode()
    stream.write(b"".join([PREFIX.pack(len(text), sum(map(len, arrays))), text, *arrays]))
    stream.flush()


def _read(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data
