"""Sweeps on a cluster of Ray's launcher, controlled from another machine by `--cluster FILE`."""
