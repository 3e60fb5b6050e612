"""What a person sees of a sweep: live progress, the table of cells, numbers in words."""
