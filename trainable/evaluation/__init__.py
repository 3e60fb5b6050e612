"""Evaluation of a trained encoder: embeddings, class scores by several rules, and their metrics."""
