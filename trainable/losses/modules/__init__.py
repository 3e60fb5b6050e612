"""Losses computed in another way than pytorch-metric-learning does. These files import torch: import them late."""
