"""WhatsApp by Meta's Cloud API: the second provider of the channel."""
