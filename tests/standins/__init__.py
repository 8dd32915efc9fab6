"""Stand-ins of the platforms and of the people who write there, with a ledger of what each platform really took."""
