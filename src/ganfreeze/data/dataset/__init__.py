"""Sources of images, one a file."""
