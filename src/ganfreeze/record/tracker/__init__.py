"""Where events are recorded, one place a file."""
