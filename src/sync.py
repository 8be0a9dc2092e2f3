"""Bring to MLflow what did not reach it while runs trained: python src/sync.py"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("sync")  # by @hydra.main: Hydra's completion of bash looks for this word here
