"""From a trained encoder to metrics: embeddings, class scores by several rules, and what they get right."""
