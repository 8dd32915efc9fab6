"""One turn at a time per conversation: in this process (`local`), and rung for from other processes (`rings`)."""
