"""Feature extractors: networks that turn images into feature vectors and logits.

`base.py` has `Features` and `Extractor`, and `small_network.py` trains what two of them share; each of the other files
builds one extractor.
"""
