"""The mechanisms that hold the frozen network still, one a file."""
