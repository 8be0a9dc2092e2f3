"""Hold strategies against the Dirac-GAN's published dynamics: python src/dynamics.py strategies=[tape,train_step]"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("dynamics")  # by @hydra.main: Hydra's completion of bash looks for this word here
