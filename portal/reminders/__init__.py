"""Reminders: who is written to, when, and what became of it."""
