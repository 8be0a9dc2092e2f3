"""Feature extractors: networks that turn images into feature vectors and logits.

`base.py` has `Features` and `Extractor`; each of the other files builds one extractor.
"""
