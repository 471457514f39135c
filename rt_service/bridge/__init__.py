"""An outside MQTT broker: the same topics mean the same as on the embedded one."""
