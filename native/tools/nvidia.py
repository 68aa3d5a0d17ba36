"""Brings NVIDIA's own packages, for building the addon and for its tests, and prints the folder where each lies.

    python3 native/tools/nvidia.py cuda rtx

    cuda      the CUDA 12 compiler of kernels and the driver's header (PyPI), so that no toolkit needs to be installed;
              and tools that read machine code, which tests use
    rtx       TensorRT-RTX with its ONNX parser (PyPI): a builder that needs no GPU
    lean      the run-only TensorRT 11 (PyPI)
    trt10     TensorRT 10.15 with its ONNX parser (Maven Central, 533 MB)
    jni10     a library compiled against the headers of TensorRT 10.15 (Maven Central): its calls show their layout
    enums10   Java written from those headers (Maven Central): their enumerations
    headers   NVIDIA's headers of TensorRT 11 and TensorRT-RTX (crates.io)

Nothing of it is part of the package. Every file is pinned by its SHA-256, unpacked once into a cache folder named by
its contents, and shared by all clones. Standard library only.
"""

import argparse
import sys

from packages import UNAVAILABLE, ensure

MAVEN = "https://repo.maven.apache.org/maven2/org/bytedeco/tensorrt/10.15-1.5.13/"
CRATES = "https://static.crates.io/crates/"

# Each package: files by requirement (PyPI) or address, with their SHA-256.
PACKAGES = {
    "cuda": {
        "nvidia-cuda-nvrtc-cu12==12.9.86": "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4",
        "nvidia-cuda-runtime-cu12==12.9.79": "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3",
        "nvidia-cuda-cuobjdump==13.5.37": "38780fee50863252a0b8926357faa91615ca1c8346490563f33a06100cd73f58",
        "nvidia-cuda-nvdisasm==13.5.37": "d3fdbdd49fa53e2e4aacd3db8259d052bd2b049ececdcb69e92e083c6728e7ca",
    },
    "rtx": {
        "tensorrt-rtx-cu13-libs==1.7.1.116": "e3fd45fed001240d63304e77a2d4006319b839994237cb294b6e7ad72acaabcd",
        "nvidia-cuda-runtime==13.5.37": "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
    },
    "lean": {"tensorrt-lean-cu13-libs==11.4.0.106": "e022b8d0e21f19258657aec6760e1de8b454ed176f76217e3f7ec2036c5a9410"},
    "trt10": {
        f"{MAVEN}tensorrt-10.15-1.5.13-linux-x86_64-redist.jar": (
            "8543a6bda95c5d42141d409e1b74024b444e96334a3815d53997cc4ec3cfce83"
        )
    },
    "jni10": {
        f"{MAVEN}tensorrt-10.15-1.5.13-linux-x86_64.jar": (
            "a1ed39406bbf4b5b41d795f9afcf1ff1f0def5652393a2bc46588badf63ada8e"
        )
    },
    "enums10": {
        f"{MAVEN}tensorrt-10.15-1.5.13-sources.jar": "15cae3f684e1c2b94fcc8fbfc1131da31a9991f3c5a577222a549bc4c4299534"
    },
    "headers": {
        f"{CRATES}trtx-sys/trtx-sys-0.9.1%2Brtx1.7.crate": (
            "5480ee056292951daa1bc74532162d6cb75190f091e45d7d97c0c356916ae171"
        )
    },
}
# Where the interesting part of a package lies.
INSIDE = {
    "cuda": "nvidia",
    "rtx": "tensorrt_rtx_libs",
    "lean": "tensorrt_lean_libs",
    "trt10": "org/bytedeco/tensorrt/linux-x86_64",
    "jni10": "org/bytedeco/tensorrt/linux-x86_64",
    "enums10": "org/bytedeco/tensorrt",
    "headers": "trtx-sys-0.9.1+rtx1.7/TensorRT-Headers",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="+", choices=sorted(PACKAGES), help="one or more of those above")
    for name in parser.parse_args().package:
        try:
            print(ensure(f"nvidia-{name}", PACKAGES[name]) / INSIDE[name], flush=True)
        except OSError as error:
            print(f"{name} cannot be fetched: {error}", file=sys.stderr)
            return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
