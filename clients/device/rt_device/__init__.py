"""Devices for rt-service: a real MQTT client in a few lines, and a simulator made of them."""

from rt_device.calls import RtError
from rt_device.device import Device

__all__ = ["Device", "RtError"]
