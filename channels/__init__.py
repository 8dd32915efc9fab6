"""One folder per medium; they never see each other."""
