"""Recorded runs, made by hand, for the tests of reports."""

from ganfreeze.record import mlflow_client
from ganfreeze.record.report.query import RecordedRun

CARD = {"samples": 1000, "split": "train"}


def recorded(number, metrics, *, seed=0, status="FINISHED", cards=None, tags=None, seconds=10.0, **parameters):
    """Return a run; `parameters` are the words that it was trained by."""
    words = {"keras": "keras2", "strategy": "tape", "steps": "100", "seed": str(seed), **parameters}
    run = mlflow_client.Run(
        f"id{number}", "1", f"run {number}", status, metrics, "clean", {"classifier": CARD} if cards is None else cards
    )
    return RecordedRun(run, words, tags or {}, seconds)


def sweep(**fids):
    """Return a sweep over strategies: of each the FIDs of the seeds 0, 1, ..."""
    return [
        recorded(f"{strategy}{seed}", {"classifier/fid": fid}, seed=seed, strategy=strategy)
        for strategy, values in fids.items()
        for seed, fid in enumerate(values)
    ]
