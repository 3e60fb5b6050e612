"""Labelled sentences by name or by location: one table, one loader."""
