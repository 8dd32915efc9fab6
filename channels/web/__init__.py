"""Web chat: a page, an embeddable widget, and an HTTP and WebSocket interface for apps."""
