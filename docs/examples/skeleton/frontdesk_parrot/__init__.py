"""Parrot as a channel of Frontdesk."""
