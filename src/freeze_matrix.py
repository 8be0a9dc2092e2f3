"""Measure who moves when, for each mechanism, Keras and mode: python src/freeze_matrix.py"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("freeze_matrix")  # by @hydra.main: Hydra's completion of bash looks for this word here
