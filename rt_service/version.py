"""The version: of the package, the HTTP API and what the command prints."""

__version__ = "0.1.0"
