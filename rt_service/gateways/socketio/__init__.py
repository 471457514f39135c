"""Socket.IO: Flask-SocketIO's namespaces and rooms on the hub's one membership table."""
