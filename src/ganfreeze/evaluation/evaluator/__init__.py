"""The options of `evaluator=`, one a file: each computes metrics from samples. `base.py` has what they share."""
