"""Draw samples from a finished run: python src/sample.py run=RUN_ID output=samples.png"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("sample")  # by @hydra.main: Hydra's completion of bash looks for this word here
