"""Attestations: signing, sealed records, and checking copies."""
