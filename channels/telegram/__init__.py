"""Telegram through the Bot API: by webhook, or by long polling where there is no public URL."""
