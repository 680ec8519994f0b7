"""Mail: queued with its cause, delivered by the worker, and a log of what became of it."""
