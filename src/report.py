"""Report on a sweep, with verdicts: python src/report.py sweep=last"""

from ganfreeze.app.programs import start

if __name__ == "__main__":
    start("report")  # by @hydra.main: Hydra's completion of bash looks for this word here
