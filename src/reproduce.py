"""Run a recorded run again, and compare every metric and weight: python src/reproduce.py run=RUN_ID"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("reproduce")  # by @hydra.main: Hydra's completion of bash looks for this word here
