"""Stands in for an image of AWS with its training toolkit, on a machine that stands in for SageMaker: unpacks the
sources, which lie beside the inputs already, and starts the program on each rank as the toolkit does
(github.com/aws/sagemaker-training-toolkit, torch_distributed.py)."""

import json
import os
import sys
import tarfile
from pathlib import Path

root = Path(os.environ["T2I_ML_ROOT"])
config = root / "input/config"
hyperparameters = {
    name: json.loads(value) if name.startswith("sagemaker_") else value
    for name, value in json.loads((config / "hyperparameters.json").read_text()).items()
}
resources = json.loads((config / "resourceconfig.json").read_text())
code = root / "code"
with tarfile.open(root / "sourcedir.tar.gz") as archive:
    archive.extractall(code, filter="data")
hosts, host = sorted(resources["hosts"]), resources["current_host"]
address, _, port = os.environ["T2I_ML_MASTER"].partition(":")
arguments = [
    part for name, value in sorted(hyperparameters.items()) if not name.startswith("sagemaker_")
    for part in (f"--{name}", value)
]  # fmt: skip
os.environ["GLOO_SOCKET_IFNAME"] = resources["network_interface_name"]
os.chdir(code)
os.execv(
    sys.executable,
    [
        sys.executable, "-m", "torch.distributed.run", "--nnodes", str(len(hosts)), "--nproc_per_node", "1",
        "--master_addr", address, "--master_port", port, "--node_rank", str(hosts.index(host)),
        hyperparameters["sagemaker_program"], *arguments,
    ],
)  # fmt: skip
