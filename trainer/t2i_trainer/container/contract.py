"""Where a training container finds what it is given, and where it leaves what it made
(docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html)."""

import dataclasses
import os
from pathlib import Path

from ..files import read_json

LONGEST_FAILURE = 1024


@dataclasses.dataclass(frozen=True)
class Container:
    """One host of a job."""

    root: Path
    host: str
    hosts: tuple[str, ...]
    interface: str

    @classmethod
    def here(cls) -> "Container":
        root = Path(os.environ.get("T2I_ML_ROOT", "/opt/ml"))
        resources = read_json(root / "input/config/resourceconfig.json")
        hosts = tuple(sorted(resources["hosts"], key=_number))
        return cls(root, resources["current_host"], hosts, resources.get("network_interface_name", "eth0"))

    @property
    def first(self) -> bool:
        """Whether this host speaks for the job and keeps what it makes."""
        return self.host == self.hosts[0]

    def channel(self, name: str) -> Path | None:
        """Where the files of an input lie; None where the job has no such input."""
        folder = self.root / "input/data" / name
        return folder if folder.is_dir() else None

    @property
    def checkpoints(self) -> Path:
        """Kept in S3 while the job runs, deletions too, and there again when it starts anew."""
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        return self.root / "model"

    def fail(self, message: str) -> None:
        """Says why the job failed; the service shows it."""
        (self.root / "output").mkdir(parents=True, exist_ok=True)
        (self.root / "output/failure").write_text(message[:LONGEST_FAILURE])


def _number(host: str) -> tuple[int, str]:
    """algo-10 comes after algo-9."""
    digits = host.rpartition("-")[2]
    return (int(digits) if digits.isdigit() else 0, host)
