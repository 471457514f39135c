"""What whoever started the service is shown: where everything is, and how it is set up."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

from rt_service.settings import Settings
from rt_service.version import __version__


def print_banner(effective: Settings, http_url: str, mqtt_url: str, grpc: str, embedded: bool) -> None:
    broker = "embedded broker" if embedded else "outside broker"
    rows = [
        ("pages", f"{http_url}/"),
        ("Socket.IO", f"{http_url} with namespaces {' '.join(effective.server.namespaces)}"),
        ("MQTT", f"{mqtt_url} ({broker})" if mqtt_url else "off"),
        ("gRPC", grpc or "off"),
        ("engine", _engine_line(effective)),
        ("mode", _mode(effective)),
        ("devices", f"{effective.simulate.devices} simulated" if effective.simulate.devices else "none simulated"),
        ("stop", "Ctrl-C"),
    ]
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(f"[bold]{name}[/]", value)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold green]rt-service[/] {__version__}")
    console.print(table)
    sys.stdout.flush()


def _mode(effective: Settings) -> str:
    if effective.auth.mode == "token":
        return "token: everybody needs one (`token --sub NAME` makes one)"
    return "open: no tokens, " + ("everybody may everything" if effective.auth.open_to_all else "this machine only")


def _engine_line(effective: Settings) -> str:
    if effective.engine.url == "memory":
        return "memory (forgets at exit)"
    forgets = [namespace for namespace, how in effective.engine.durability.items() if how == "memory"]
    return f"sqlite in {effective.server.data_dir}" + (f" ({' '.join(forgets)} in memory)" if forgets else "")
