"""A distributed sweep over few-shot fine-tuning losses, with a record that nothing can take away."""
