"""Flows, choices and the patterns around them."""
