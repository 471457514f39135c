"""What holds the gRPC process to the service that started it: a socket in place of standard input.

Lines of JSON go over it: from here the address once it accepts, then what is counted. It ends with either process.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any


class Leash:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def hold(cls) -> Leash:
        return cls(*await asyncio.open_connection(sock=socket.socket(fileno=sys.stdin.fileno())))

    def say(self, message: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def ended(self) -> None:
        """Wait until the service has gone; it says nothing."""
        try:
            await self._reader.read()
        except OSError:
            pass
