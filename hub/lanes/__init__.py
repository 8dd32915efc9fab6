"""One turn at a time per conversation: in this process (`local`), and woken from other processes (`nats`)."""
