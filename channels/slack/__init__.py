"""Slack: Events API over HTTP or Socket Mode in, Web API out."""
