"""Where state lives: models to documents, and the one file with a database driver."""
