"""What turns samples into figures, one a file."""
