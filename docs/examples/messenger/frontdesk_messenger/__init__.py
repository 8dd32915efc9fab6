"""Facebook Messenger as a channel of Frontdesk: the worked example of docs/write-an-adapter.md."""
