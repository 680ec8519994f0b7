"""One's team: managers see who has signed, and nothing else."""
