"""Datasets of labelled sentences: the table of named ones (`DATASETS`), and the loader of any (`load`)."""

from trainable.datasets.catalogue import DATASETS, find
from trainable.datasets.hub import pin
from trainable.datasets.loader import load, provide
from trainable.datasets.text_data import Rows, TextData

__all__ = ["DATASETS", "Rows", "TextData", "find", "load", "pin", "provide"]
