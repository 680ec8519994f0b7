"""The append-only log, its tree and its checkpoints."""
