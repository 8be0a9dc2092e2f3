"""Turns samples of a generator into metrics.

`evaluator/` has the options of `evaluator=`, `extractor/` the networks that give them features, and `metrics/` the
formulas; the modules here join these, and keep the protocol that each metric is measured by.
"""
