"""Run one step of a run again, and show its losses and gradients: python src/replay.py run=RUN step=5000"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("replay")  # by @hydra.main: Hydra's completion of bash looks for this word here
