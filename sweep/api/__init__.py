"""What a Python program or a notebook gets: the functions and classes behind `import sweep`."""
