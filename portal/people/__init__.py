"""People: the directory, signing in and out."""
