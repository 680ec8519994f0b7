"""Campaigns: who owes what, and by when."""
