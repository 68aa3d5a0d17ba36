"""Runs a notebook as Jupyter does: python test/ops/run_notebook.py NOTEBOOK

Prints, as JSON, what each of its cells of code says and how many images it shows. Ends with an error where a cell does.
"""

import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def outputs_of(path: Path) -> list[dict[str, object]]:
    """What each cell of code says and shows, run in the folder of the notebook."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(path.parent)}}).execute()
    cells = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return [
        {
            "text": "".join(output.text for output in outputs if output.output_type == "stream"),
            "images": sum("image/png" in output.get("data", {}) for output in outputs),
        }
        for outputs in cells
    ]


if __name__ == "__main__":
    print(json.dumps(outputs_of(Path(sys.argv[1]).absolute())))
