"""Brings Zig's C++ compiler, which compiles what ships for an older glibc, and prints the program to call.

    python3 native/tools/zig.py

It targets glibc 2.28, of RHEL 8, Debian 10 and Ubuntu 18.10, and links its own C++ library. Pinned by its SHA-256,
unpacked once into a cache folder and shared by all clones. Standard library only.
"""

import sys
from pathlib import Path

from packages import UNAVAILABLE, ensure

GLIBC = "2.28"
ZIG = {"ziglang==0.13.0": "3ce0c9f16547e5d61b32e0d226926e9a2552ef4b91fccf7ab5ea1a623a77824b"}


def wrapper(folder: Path) -> Path:
    """A program that CMake can take for a compiler."""
    program = folder / f"c++-glibc-{GLIBC}"
    if not program.exists():
        zig = folder / "ziglang" / "zig"
        zig.chmod(0o755)
        scratch = program.with_suffix(".new")
        scratch.write_text(f'#!/bin/sh\nexec "{zig}" c++ -target x86_64-linux-gnu.{GLIBC} "$@"\n')
        scratch.chmod(0o755)
        scratch.rename(program)
    return program


def main() -> int:
    try:
        print(wrapper(ensure("ziglang", ZIG)))
    except OSError as error:
        print(f"Zig cannot be fetched: {error}", file=sys.stderr)
        return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
