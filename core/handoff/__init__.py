"""When and how people take over."""
