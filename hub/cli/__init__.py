"""`frontdesk ...`: one module per group of commands."""
