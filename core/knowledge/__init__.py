"""Approved articles, and how one is found."""
