"""A loss and a recipe for few-shot-sweep, as a package of one's own."""
