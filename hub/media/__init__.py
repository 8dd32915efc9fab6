"""Files that people send: fetched when somebody asks, judged by their content, kept once, handed to agents only."""
