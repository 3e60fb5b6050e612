"""What runs next, and what follows from its results: the logic of a sweep, without Ray."""
