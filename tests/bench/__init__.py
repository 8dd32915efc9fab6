"""Figures, printed with the machine and versions: `make bench`. Nothing here asserts a time."""
