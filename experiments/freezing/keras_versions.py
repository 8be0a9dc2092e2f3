"""Audit every trap under several versions of Keras, each in a virtual environment of its own.

    python experiments/freezing/keras_versions.py

makes the environments in outputs/keras_versions, runs each audit there, and writes keras_versions.csv beside this file.
It needs Python 3.11 or 3.12, because TensorFlow 2.16 has no later one. It downloads several GB of packages.
"""

import csv
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDER = ROOT / "outputs" / "keras_versions"
TRAPS = [HERE / "traps" / f"{name}.py" for name in ("classes", "flags", "optimizers", "layers")]
TENSORFLOW = {"2.16": ["tensorflow==2.16.2", "tf-keras==2.16.0"], "2.21": ["tensorflow==2.21.0", "tf-keras==2.21.0"]}
# Each version: the word of its Keras, and the packages of its environment.
VERSIONS = {
    "keras 3.0.5": ("keras3", ["keras==3.0.5", *TENSORFLOW["2.16"]]),
    "keras 3.3.3": ("keras3", ["keras==3.3.3", *TENSORFLOW["2.16"]]),
    "keras 3.6.0": ("keras3", ["keras==3.6.0", *TENSORFLOW["2.16"]]),
    "keras 3.15.1": ("keras3", ["keras==3.15.1", *TENSORFLOW["2.21"]]),
    "tf-keras 2.16.0": ("keras2", ["keras==3.0.5", *TENSORFLOW["2.16"]]),
    "tf-keras 2.21.0": ("keras2", ["keras==3.15.1", *TENSORFLOW["2.21"]]),
}
NEEDED_BY_GANFREEZE = ["pydantic==2.14.3"]
FIELDS = ("trap", "version", "discriminator phase", "generator phase", "verdict")


def main() -> None:
    """Make the environments that are missing, audit all traps in each, and write the table."""
    rows = []
    for version, (word, packages) in VERSIONS.items():
        python = environment(FOLDER / version.replace(" ", "-"), packages)
        print(f"{version} in {python.parent.parent}", flush=True)
        rows += [{**row, "version": version} for row in measured(python, word)]
    with (HERE / "keras_versions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def environment(folder: Path, packages: list[str]) -> Path:
    """Return the Python of a virtual environment with these packages, made if it is not there yet."""
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages, *NEEDED_BY_GANFREEZE], check=True)
        (folder / "complete").touch()
    return python


def measured(python: Path, word: str) -> list[dict[str, str]]:
    """Run `audit_all` in another Python, and return its rows."""
    command = [python, Path(__file__), word]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KERAS_BACKEND": "tensorflow"}
    variables["TF_USE_LEGACY_KERAS"] = "1"  # or Keras 2 cannot build its SpectralNormalization beside Keras 3
    output = subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout
    return list(csv.DictReader(line for line in output.splitlines() if line.count(",") == len(FIELDS) - 1))


def audit_all(word: str) -> None:
    """Audit all traps with the Keras of this Python, in graph mode, and print a row for each."""
    sys.path.insert(0, str(HERE / "traps"))
    from ganfreeze.app import plain_models
    from ganfreeze.backend.keras import keras2, keras3
    from ganfreeze.errors import BadInput, Refused
    from ganfreeze.proof import plain_audit, plain_gan

    keras = {"keras2": keras2, "keras3": keras3}[word].load()
    writer = csv.DictWriter(sys.stdout, FIELDS)
    writer.writeheader()
    for path in TRAPS:
        for name, function in plain_models.load_functions(str(path)).items():
            row = {"trap": name, "version": "", "discriminator phase": "-", "generator phase": "-"}
            try:
                gan = plain_gan.plain_gan(plain_models.call(function, keras))
                ledger = plain_models.call(plain_audit.audit, gan)
            except Refused:
                writer.writerow({**row, "verdict": "refused"})
                continue
            except BadInput as error:
                reason = " ".join(str(error).replace(",", ";").split()).removeprefix("its own code raised an error. ")
                writer.writerow({**row, "verdict": f"error: {reason[:100]}"})
                continue
            for phase in ("discriminator", "generator"):
                kinds = [
                    kind for kind in ("weights", "state", "constraint") if ledger.moved(phase, "discriminator", kind)
                ]
                row[f"{phase} phase"] = " and ".join(kinds) or "still"
            writer.writerow({**row, "verdict": ledger.verdict})


if __name__ == "__main__":
    audit_all(sys.argv[1]) if len(sys.argv) > 1 else main()
