"""The command line. What cannot be used says so in one line and exits 2; anything else that fails exits 1."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from rt_service import log, runtime, settings
from rt_service.banner import print_banner
from rt_service.commands import accounts, data, mosquitto_config, remote, replay, simulate, tokens
from rt_service.commands.options import ConfigFile, DataDir, Set, assignments, chosen
from rt_service.core.errors import BadRequest, RtError
from rt_service.engines.sqlite import CannotOpen
from rt_service.mqtt.explain import explained
from rt_service.mqtt.routes import RoutesError, load
from rt_service.settings import Settings, SettingsError
from rt_service.version import __version__

SIMULATOR_S = 5.0  # for its devices to say goodbye
HELP = """Rooms that Socket.IO clients and MQTT devices share.

Without a command it serves; `run.py serve --help` lists the options."""

app = typer.Typer(
    name="rt-service", help=HELP, no_args_is_help=False, add_completion=False, rich_markup_mode=None,
    pretty_exceptions_enable=False,
)  # fmt: skip
routes_app = typer.Typer(help="What MQTT topics become.")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the process's exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("--help", "--version")):
        arguments.insert(0, "serve")
    try:
        code = app(arguments, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except (SettingsError, RoutesError, CannotOpen) as error:
        return _fail(str(error), 2)
    except typer.TyperException as error:
        return _fail(error.format_message(), 2)
    except (remote.RemoteError, RtError) as error:
        return _fail(str(error), 1)
    except (typer.Abort, KeyboardInterrupt):
        return 130


def _fail(message: str, code: int) -> int:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]rt-service:[/] {escape(message)}")
    return code


def _version(wanted: bool) -> None:
    if wanted:
        print(f"rt-service {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="print it")] = False,
) -> None:
    """Browsers, game clients and MQTT devices in the same rooms."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address for HTTP, MQTT and gRPC (127.0.0.1)")] = None,
    port: Annotated[int | None, typer.Option(help="port for HTTP and Socket.IO (5000); 0: a free one")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="port of the embedded broker (1883); 0: a free one")] = None,
    mqtt_url: Annotated[str | None, typer.Option(help="an outside broker; then no embedded one is run")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="port for gRPC (off); 0: a free one")] = None,
    engine: Annotated[str | None, typer.Option(help="where publications are kept: sqlite, memory (sqlite)")] = None,
    data_dir: DataDir = None,
    open_to_all: Annotated[
        bool, typer.Option("--open-to-all", help="listen where others reach it, and let them in without tokens")
    ] = False,
    app: Annotated[str | None, typer.Option(help="MODULE:FUNCTION of your own, called with the service")] = None,
    config: ConfigFile = None,
    simulate: Annotated[int | None, typer.Option(help="simulated devices to start along")] = None,
    set: Set = None,
    ready_file: Annotated[Path | None, typer.Option(help="gets the addresses as JSON once everything accepts")] = None,
) -> None:
    """Run the service (the default)."""
    flags = {
        "server.host": host,
        "server.port": port,
        "mqtt.port": mqtt_port,
        "bridge.url": mqtt_url,
        "grpc.enabled": None if grpc_port is None else True,
        "grpc.port": grpc_port,
        "engine.url": engine,
        "server.data_dir": data_dir,
        "server.app": app,
        "auth.open_to_all": open_to_all or None,
        "simulate.devices": simulate,
    }
    overrides = {**assignments(set), **{name: value for name, value in flags.items() if value is not None}}
    effective = settings.load(config, overrides=overrides)
    log.configure(effective.log.level, effective.log.format)
    _serve(effective, ready_file)


def _serve(effective: Settings, ready_file: Path | None) -> None:
    from rt_service.application import run_setup
    from rt_service.service import Service  # what is slow to import is not needed for the other commands

    if ready_file is not None:
        ready_file.unlink(missing_ok=True)  # of an earlier run: whoever waits for it must not find the old address
    signals = runtime.Signals(signal.SIGTERM, signal.SIGINT)  # from now on they are waited for, not lost
    service = Service(effective)
    if effective.server.app:
        run_setup(effective.server.app, service)
    service.start()
    own = (effective.mqtt.cert_file or effective.server.cert_file) if service.mqtt else ""
    simulator = _start_simulator(effective.simulate.devices, service.mqtt_url, own)
    grpc = service.grpc.shown if service.grpc else ""
    print_banner(effective, service.http_url, service.mqtt_url, grpc, embedded=service.mqtt is not None)
    try:
        if ready_file is not None:
            service.write_ready_file(ready_file)
        service.serve(signals)
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
        if simulator is not None:  # first, so that its devices say goodbye
            _end(simulator)
        service.stop()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=SIMULATOR_S)
    except subprocess.TimeoutExpired:
        process.kill()  # the service stops in order all the same
        process.wait()


def _start_simulator(devices: int, mqtt_url: str, certificate: str) -> subprocess.Popen[bytes] | None:
    if not devices:
        return None
    if not mqtt_url:
        raise SettingsError("simulate.devices: there is no MQTT broker; set mqtt.enabled or bridge.url")
    options = ["--url", mqtt_url, "--devices", str(devices), "--certificate", certificate]
    # Our end of its standard input closes with us, however we end; then it ends too.
    return subprocess.Popen([sys.executable, "-m", "rt_device.simulator", *options], stdin=subprocess.PIPE)


@app.command("grpc")
def grpc_gateway(
    url: Annotated[str, typer.Option(help="the service")] = remote.DEFAULT_URL,
    host: Annotated[str | None, typer.Option(help="address to listen on (127.0.0.1)")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on (50051); 0: a free one")] = None,
    config: ConfigFile = None,
    set: Set = None,
    ready_file: Annotated[Path | None, typer.Option(help="gets the address as JSON once it accepts")] = None,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Serve gRPC for a service that was started without it."""
    flags = {name: value for name, value in (("grpc.host", host), ("grpc.port", port)) if value is not None}
    effective = settings.load(config, overrides={**assignments(set), **flags})
    log.configure(effective.log.level, effective.log.format)
    from rt_service.gateways.grpc.process import run  # grpcio, which no other command may import

    run(effective, url, ready_file, child)


@app.command("check-config")
def check_config(config: ConfigFile = None, set: Set = None) -> None:
    """Print every setting as it is in effect, secrets masked."""
    from rt_service.choices import check

    effective = chosen(config, set)
    check(effective)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for section, values in settings.effective(effective).items():
        console.print(f"[{section}]")
        for name, value in values.items():
            console.print(f"{name} = {_toml(value)}")
        console.print()


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        inside = ", ".join(f'"{name}" = {_toml(one)}' for name, one in value.items() if one is not None)
        return f"{{ {inside} }}" if inside else "{}"
    return str(value) if isinstance(value, (int, float)) else f'"{value}"'


@routes_app.command("explain")
def explain(
    topic: Annotated[str, typer.Argument(help="an MQTT topic, such as devices/pump-1/telemetry")],
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Say what a message on a topic becomes, and what it is that is published on it."""
    effective = chosen(config, set)
    routes = load(settings.config_dir() / effective.routes.file)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        for line in explained(topic, routes, effective.server.namespaces):
            console.print(line)
    except BadRequest as error:
        raise SettingsError(error.message) from None


app.command("simulate")(simulate.simulate)
app.command("token")(tokens.token)
app.command("mosquitto-config")(mosquitto_config.mosquitto_config)
app.command("tail")(remote.tail)
app.command("publish")(remote.publish)
app.command("check-data")(data.check_data)
app.command("export")(replay.export)
app.command("replay")(replay.replay)
app.command("dead-letters")(remote.dead_letters)
app.add_typer(routes_app, name="routes")
app.add_typer(accounts.account_app, name="account")
app.add_typer(accounts.device_app, name="device")
