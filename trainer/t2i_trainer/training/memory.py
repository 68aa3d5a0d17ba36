"""The memory of a training on a CPU, whose steps each want as much as the one before."""

import ctypes

# Parameters of mallopt (malloc.h of glibc), and the largest values that it takes.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST_TRIM, LARGEST_MMAP = 2**31 - 1, 32 * 2**20


def keep_freed_memory() -> None:
    """Lets glibc keep what is freed for the next allocation. By default it hands the activations of each step back to
    the system, which must clear the pages of the next: that took a tenth of the time of a small UNet's step. The memory
    that a process has at most stays the same. Other C libraries have no such parameter."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(MMAP_THRESHOLD, LARGEST_MMAP)
        library.mallopt(TRIM_THRESHOLD, LARGEST_TRIM)
