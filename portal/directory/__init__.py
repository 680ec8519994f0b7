"""The directory as administrators see it: read every night, checked, and who may do what."""
