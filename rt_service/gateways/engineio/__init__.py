"""A fast and conformant Engine.IO and Socket.IO server under Flask-SocketIO, which other applications may use alone:

from rt_service.gateways.engineio import SocketIO

socketio = SocketIO(app)
"""

from rt_service.gateways.engineio.extension import SocketIO

__all__ = ["SocketIO"]
