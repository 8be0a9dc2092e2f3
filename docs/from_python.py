"""Run docs/from_python.ipynb, and store its outputs in it: python docs/from_python.py"""

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_suffix(".ipynb")


def stored() -> Any:
    """Return the notebook as it is stored, with the outputs of an earlier run."""
    return nbformat.read(NOTEBOOK, as_version=4)


def executed() -> Any:
    """Run the notebook in a new kernel, and return it with its outputs, without what this machine writes to stderr."""
    notebook = stored()
    NotebookClient(notebook, timeout=600, record_timing=False).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
            for output in cell.outputs:
                output.get("data", {}).pop("image/jpeg", None)  # a second copy of the picture
    return notebook


if __name__ == "__main__":
    nbformat.write(executed(), NOTEBOOK)
