"""Evaluate a finished run again: python src/evaluate.py run=RUN_ID evaluator.samples=10000 samples_seeds=5"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("evaluate")  # by @hydra.main: Hydra's completion of bash looks for this word here
