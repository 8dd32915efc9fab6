"""Mail: one mailbox of ours, read by IMAP or received by SMTP/LMTP, answered by SMTP."""
