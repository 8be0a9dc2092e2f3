"""List sweeps with their state, cost and time left: python src/sweeps.py"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("sweeps")  # by @hydra.main: Hydra's completion of bash looks for this word here
