"""The spool: a journal on this machine's disk for payloads that MongoDB does not take in time (ADR 0009)."""
