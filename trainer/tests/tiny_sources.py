"""Small images, folders of them, and what importing them reports."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from t2i_trainer.data.import_images import ImportOptions, import_images
from t2i_trainer.data.layout import DataFolder


def picture(seed: int, file_format: str = "PNG", size: tuple[int, int] = (80, 70)) -> bytes:
    buffer = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (size[1] // 10, size[0] // 10, 3), dtype=np.uint8)
    Image.fromarray(values).resize(size).save(buffer, file_format)
    return buffer.getvalue()


def put(root: Path, **files: bytes | str) -> Path:
    """Writes files; `__` in a name stands for `/` and `_` before an ending for `.`."""
    for name, content in files.items():
        path = root / ".".join(name.replace("__", "/").rsplit("_", 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "import-report.json"
    }


def import_from(source: Path, data: DataFolder, **options) -> tuple[dict, dict[str, str]]:
    """The report, and the reasons of what was skipped by file."""
    report = import_images(ImportOptions(source, **options), data)
    return report, {skipped["file"]: skipped["reason"] for skipped in report["skipped"]}
