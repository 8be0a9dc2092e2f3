"""Feature extractors and the figures they give, one a file."""
