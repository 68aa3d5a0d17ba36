"""A training on a CPU does not give its memory back after each step."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

# Whether a block is cut out of the heap, which keeps it when it is freed, or mapped for itself, which does not:
# mallinfo2 counts what is mapped.
MAPPED = """
import ctypes, sys
from t2i_trainer.training.memory import keep_freed_memory

class Figures(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
    )]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Figures
library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
if sys.argv[1] == "keep":
    keep_freed_memory()
before = library.mallinfo2().hblks
library.malloc(20 * 2**20)
print(library.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="the C library is not glibc 2.33 or newer")
def test_blocks_as_large_as_activations_come_out_of_the_heap():
    def mapped(setting: str) -> int:
        # A process of its own: the setting lasts, and glibc changes it by what it sees.
        trainer = Path(__file__).resolve().parents[1]
        command = [sys.executable, "-c", MAPPED, setting]
        return int(subprocess.run(command, capture_output=True, check=True, cwd=trainer).stdout)

    assert (mapped("keep"), mapped("give back")) == (0, 1)
