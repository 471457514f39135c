"""What the tests need: a core without sockets, real services as processes, real clients."""
