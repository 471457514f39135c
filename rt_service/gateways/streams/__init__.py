"""Rooms over HTTP responses that go on: Server-Sent Events, NDJSON, and requests that wait."""
