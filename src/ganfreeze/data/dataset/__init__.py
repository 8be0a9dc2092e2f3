"""Sources of images or points, one in each file."""
