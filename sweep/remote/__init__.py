"""Sweeps on a cluster of Ray's launcher, driven from another machine: by `--cluster FILE`."""
