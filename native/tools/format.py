"""Checks the layout of all C++ and CUDA sources against .clang-format, or applies it.

    python3 native/tools/format.py            lists what differs; exit code 1 if anything does
    python3 native/tools/format.py --write    rewrites the files

clang-format itself comes from PyPI, pinned, since every version formats a little differently. Exits with 69 where it
cannot be fetched.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from packages import UNAVAILABLE, ensure

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("native", "test/native")
CLANG_FORMAT = {"clang-format==23.1.5": "d97ce49911ba8c89ef3f3c0735a9c7818e4780ab4812c67d1c5fcd829d16ae52"}


def sources() -> list[Path]:
    paths = [path for folder in SOURCES for path in (ROOT / folder).rglob("*")]
    return sorted(path for path in paths if path.suffix in {".h", ".cc", ".cu"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="rewrite the files")
    write = parser.parse_args().write
    try:
        program = ensure("clang-format", CLANG_FORMAT) / "clang_format" / "data" / "bin" / "clang-format"
    except OSError as error:
        print(f"clang-format cannot be fetched: {error}", file=sys.stderr)
        return UNAVAILABLE
    mode = ["-i"] if write else ["--dry-run", "--Werror"]
    return subprocess.run([program, *mode, *sources()], check=False, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
