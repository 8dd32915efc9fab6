"""WhatsApp (and plain SMS) through Twilio: form webhooks in, `Messages.create` out."""
