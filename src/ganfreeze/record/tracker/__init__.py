"""The config group `tracker`: where the events of a run are recorded. Each option is a file here."""
