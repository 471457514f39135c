"""The embedded MQTT broker: devices connect here by default. It is one more way into the rooms."""
