"""Stand-ins of the platforms, for developing without accounts and for fault tests; a serving hub never loads them."""
