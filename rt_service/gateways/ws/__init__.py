"""Plain WebSocket: the verbs as JSON at `/ws`, and an echo at `/echo`."""
