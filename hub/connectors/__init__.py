"""The systems behind the bot's actions: HTTP clients, and samples of these systems for trials."""
