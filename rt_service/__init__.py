"""rt-service: browsers, game clients and MQTT devices in the same rooms."""

__version__ = "0.1.0"
