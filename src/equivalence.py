"""Certify whether variants are the same algorithm: python src/equivalence.py a=tape b=compile"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("equivalence")  # by @hydra.main: Hydra's completion of bash looks for this word here
