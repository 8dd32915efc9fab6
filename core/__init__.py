"""The bot itself: no network, no clock of its own, no environment (the store's one driver file excepted)."""
