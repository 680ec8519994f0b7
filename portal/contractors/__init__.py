"""People who work with the City and are not in its directory, and who is in scope."""
