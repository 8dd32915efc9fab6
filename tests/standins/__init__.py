"""The people who write to a hub among the stand-ins of `hub.emulate`, and whoever judges what came of it."""
