"""What happens in a room: pure code that names no framework, socket, thread or clock."""
