"""What MQTT means here, without a socket: packets, topics, routes, payloads."""
