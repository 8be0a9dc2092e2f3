"""Learning-rate schedules, one in each file."""
