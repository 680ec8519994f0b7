"""Retention: how long records are kept, what is held, and what HR lets go."""
