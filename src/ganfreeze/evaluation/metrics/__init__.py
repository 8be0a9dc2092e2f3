"""Arrays in, numbers out: a metric or a family of metrics in each file, without TensorFlow or a feature extractor.

SciPy and scikit-learn take long to import. They are imported inside functions, so that a config is checked without
them.
"""
