"""Train a variant, or with -m a sweep of them: python src/train.py -m strategy=tape,compile"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("train")  # by @hydra.main: Hydra's completion of bash looks for this word here
