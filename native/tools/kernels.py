"""Compiles native/cuda/kernels.cu by NVRTC into machine code for each generation of GPUs, and into portable code.

    python3 native/tools/kernels.py CUDA_HOME OUT

CUDA_HOME is a toolkit of CUDA 12, or the folder of NVIDIA's packages (native/tools/nvidia.py cuda). Writes
OUT/sm_75.cubin and the others, OUT/portable.ptx, and OUT/kernel_images.cc with all of them, which the addon is linked
with. CUDA 12 and not 13: what it makes runs with every driver of CUDA 12 and newer.
"""

import argparse
import ctypes
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
# The oldest is what the portable code is written for.
GENERATIONS = (75, 80, 86, 89, 90, 100, 120)
# --fmad=false: native/base/step.h. The other three are NVRTC's defaults, said because bit-equality rests on them.
ROUNDING = ("--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")
# NVRTC knows no standard library, and has the mathematical functions and memcpy built in.
INTEGERS = "\n".join(
    f"typedef {signed} {kind} int{bits}_t; typedef unsigned {kind} uint{bits}_t;"
    for bits, kind, signed in ((8, "char", "signed"), (16, "short", ""), (32, "int", ""), (64, "long long", ""))
)
HEADERS = {
    "cstdint": f"#pragma once\n{INTEGERS}\n",
    "cstddef": "#pragma once\nnamespace std { typedef decltype(sizeof(0)) size_t; }\n",
    "cmath": "#pragma once\n",
    "cstring": "#pragma once\n",
}


class Compiler:
    """NVRTC's C interface, as far as it is needed here."""

    def __init__(self, home: Path):
        folders = ("cuda_nvrtc/lib", "lib64", "lib")
        found = [path for folder in folders for path in (home / folder).glob("libnvrtc.so.12")]
        if not found:
            raise OSError(f"there is no libnvrtc.so.12 in {', '.join(str(home / folder) for folder in folders)}")
        self.library = ctypes.CDLL(str(found[0]))
        self.library.nvrtcGetErrorString.restype = ctypes.c_char_p

    def call(self, function: str, *arguments) -> None:
        status = getattr(self.library, function)(*arguments)
        if status != 0:
            raise RuntimeError(f"{function}: {self.library.nvrtcGetErrorString(status).decode()}")

    def compile(self, source: Path, architecture: str, kind: str, rounding=ROUNDING) -> bytes:
        """The `kind` of code, CUBIN or PTX, for `sm_89` or `compute_75`.

        :raises RuntimeError: with the compiler's own words
        """
        program = ctypes.c_void_p()
        count = len(HEADERS)
        texts = (ctypes.c_char_p * count)(*(text.encode() for text in HEADERS.values()))
        names = (ctypes.c_char_p * count)(*(name.encode() for name in HEADERS))
        code, name = source.read_bytes(), source.name.encode()
        self.call("nvrtcCreateProgram", ctypes.byref(program), code, name, count, texts, names)
        options = [
            "--std=c++17",
            "--device-as-default-execution-space",
            f"--gpu-architecture={architecture}",
            f"--include-path={SOURCE}",
            *rounding,
        ]
        arguments = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if self.library.nvrtcCompileProgram(program, len(options), arguments) != 0:
            raise RuntimeError(self.fetch(program, "ProgramLog").decode())
        return self.fetch(program, kind)

    def fetch(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        data = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, data)
        return data.raw


def as_cpp(images: list[tuple[int, bytes]]) -> str:
    """The table that native/cuda/kernel_images.h declares."""
    lines = ['#include "cuda/kernel_images.h"', "", "namespace t2i::cuda {", "", "namespace {", ""]
    for index, (_, data) in enumerate(images):
        lines.append(f"alignas(64) const unsigned char image_{index}[] = {{{','.join(map(str, data))}}};")
    rows = ", ".join(f"{{{generation}, image_{index}}}" for index, (generation, _) in enumerate(images))
    lines += ["", "}  // namespace", "", f"const KernelImage kernel_images[] = {{{rows}}};"]
    lines += [f"const int kernel_image_count = {len(images)};", "", "}  // namespace t2i::cuda", ""]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, metavar="CUDA_HOME")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--fused", action="store_true", help="with fused multiply-adds, for a test of what differs")
    options = parser.parse_args()
    compiler = Compiler(options.home)
    rounding = ROUNDING[1:] if options.fused else ROUNDING
    options.out.mkdir(parents=True, exist_ok=True)
    images = []
    for generation in GENERATIONS:
        code = compiler.compile(SOURCE / "cuda/kernels.cu", f"sm_{generation}", "CUBIN", rounding)
        (options.out / f"sm_{generation}.cubin").write_bytes(code)
        images.append((generation, code))
    portable = compiler.compile(SOURCE / "cuda/kernels.cu", f"compute_{GENERATIONS[0]}", "PTX", rounding)
    (options.out / "portable.ptx").write_bytes(portable)
    images.append((0, portable))
    (options.out / "kernel_images.cc").write_text(as_cpp(images))
    return 0


if __name__ == "__main__":
    sys.exit(main())
