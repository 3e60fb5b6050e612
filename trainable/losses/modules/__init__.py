"""Losses computed otherwise than by pytorch-metric-learning. These modules load torch: import them in functions."""
