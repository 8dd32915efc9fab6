"""The application: the only place where the parts meet."""
