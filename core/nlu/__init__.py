"""What a text means: intents, entities."""
