"""Every setting there is: type, default and help in one table.

Values come, each overruling the ones before, from the defaults here, a TOML file, the environment (`RT_SECTION__KEY`)
and the command line. A name that is not in the table is an error that says which one was probably meant.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

ENV_PREFIX = "RT_"


LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SettingsError(Exception):
    """A setting that cannot be used; the message is one line for whoever starts the service."""


def _namespace(value: str) -> str:
    if not value.startswith("/") or not value[1:].replace("-", "").replace("_", "").isalnum():
        raise ValueError("a namespace is / followed by letters, digits, - and _")
    return value


Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Namespace = Annotated[str, AfterValidator(_namespace)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthKey(Section):
    """What tokens are checked with: a `secret` or `file` for HS256, a `file` with a PEM key for the others."""

    algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"]
    secret: SecretStr = SecretStr("")
    file: str = ""


class AuthRule(Section):
    """What those of a role may in the rooms of a namespace without being granted it."""

    namespaces: list[Namespace]
    roles: list[Literal["user", "device", "service"]]
    rooms: list[str] = ["*"]
    verbs: list[str]


_TALK = ["join", "publish", "history", "presence", "rooms", "send", "call"]
_LOOK = ["join", "history", "presence", "rooms", "twin"]
RULES = [
    AuthRule(namespaces=["/chat", "/game"], roles=["user"], verbs=_TALK),
    AuthRule(namespaces=["/iot"], roles=["user"], rooms=["*", "device:*"], verbs=_LOOK),
    AuthRule(namespaces=["/iot"], roles=["device"], verbs=["rooms"]),
    AuthRule(namespaces=["/chat", "/game", "/iot"], roles=["service"], rooms=["*", "user:*", "device:*"], verbs=["*"]),
]


class Auth(Section):
    mode: Literal["open", "token"] = Field("open", description="open: nobody needs a token, on this machine only")
    open_to_all: bool = Field(False, description="open mode may listen on addresses that others reach (--open-to-all)")
    keys: dict[str, AuthKey] = Field(
        {}, description="by kid, what tokens are checked with; with none, and no jwks_file, data_dir/token.key is made"
    )
    jwks_file: str = Field("", description="a JWKS file with more keys, read again when it changes")
    audience: str = Field("", description="what `aud` of a token has to be; empty: anything")
    issuer: str = Field("", description="what `iss` of a token has to be; empty: anything")
    leeway_s: Annotated[float, Field(ge=0, le=300)] = Field(5.0, description="by how much clocks may differ")
    rules: list[AuthRule] = Field(
        RULES, description="what a token without grants may; what no rule allows is forbidden"
    )


class Server(Section):
    host: str = Field("127.0.0.1", description="address to listen on for HTTP and Socket.IO")
    port: Port = Field(5000, description="port for HTTP and Socket.IO; 0 takes a free one")
    data_dir: Path = Field(Path("var"), description="folder for what is kept on disk")
    app: str = Field(
        "", description="module:function of an application that is called with the service before it starts"
    )
    namespaces: list[Namespace] = Field(["/chat", "/game", "/iot"], description="namespaces that clients may use")
    cors_allowed_origins: list[str] = Field(
        [], description='origins of other pages that may connect, "*" for any; the same origin and localhost always may'
    )
    max_connections: Positive = Field(20_000, description="open HTTP and WebSocket connections; more are answered 503")
    backlog: Positive = Field(1024, description="connections that the system may hold until they are accepted")
    cert_file: str = Field("", description="PEM file with the certificate for TLS (https://); empty: without TLS")
    key_file: str = Field("", description="PEM file with its private key; empty: it stands in cert_file")
    hosts: list[str] = Field(
        [], description='names at which the service is asked for, "*" for any; addresses and localhost always are'
    )
    proxies: list[str] = Field(
        [], description="addresses and networks of proxies that are believed who a request is from"
    )
    proxy_header: Literal["X-Forwarded-For", "Forwarded"] = Field(
        "X-Forwarded-For", description="the header in which these say it; the first goes with X-Forwarded-Proto"
    )
    headers_s: Seconds = Field(15.0, description="seconds for a TLS handshake, and for the headers of a request")
    body_s: Seconds = Field(60.0, description="seconds for the body of a request")
    keepalive_s: Seconds = Field(75.0, description="seconds that a connection may be idle between requests")
    drain_s: Seconds = Field(10.0, description="seconds for a shutdown: sessions are told, then closed")


class SocketIo(Section):
    ping_interval_s: Seconds = Field(25.0, description="seconds between pings to a client")
    ping_timeout_s: Seconds = Field(20.0, description="seconds a client has to answer a ping")
    per_message_deflate: bool = Field(
        False, description="compress WebSocket messages for clients that ask; costs CPU and memory for each of them"
    )


class EngineSection(Section):
    url: str = Field("sqlite", description="where publications are kept: sqlite (a file in server.data_dir), memory")
    durability: dict[str, Literal["commit", "memory"]] = Field(
        {"/game": "memory"},
        description="by namespace: commit (on the disk before it is answered; where none is named) or memory",
    )


class NamespaceHistory(Section):
    publications: Positive | None = None
    age_s: Seconds | None = None


class History(Section):
    publications: Positive = Field(1000, description="kept publications per room; past it the oldest leave")
    age_s: Seconds = Field(86_400.0, description="seconds a publication is kept")
    keys: Positive = Field(1000, description="latest values per room; past it the least recently set leaves")
    keys_bytes: Positive = Field(
        8_388_608, description="bytes of a room's latest values; past it the least recently set leave"
    )
    repeat_ids: Positive = Field(10_000, description="publication ids per room that are recognised when repeated")
    repeat_s: Seconds = Field(300.0, description="seconds for which a repeated id is recognised")
    namespaces: dict[str, NamespaceHistory] = Field(
        {}, description='other values for a namespace: { "/iot" = { publications = 5000, age_s = 3600.0 } }'
    )
    rooms: Positive = Field(100_000, description="rooms with history; past it publishing into a new one is refused")


class Limits(Section):
    message_bytes: Positive = Field(65_536, description="size of one publication's data as JSON")
    wire_bytes: Positive = Field(1_048_576, description="size of one message on the wire; past it the connection ends")
    connections_per_address: Positive = Field(
        2000, description="open connections of one address (IPv6: of one /64), HTTP and MQTT together"
    )
    connects_per_s: Seconds = Field(200.0, description="new connections per second of one address, on average")
    connect_burst: Positive = Field(2000, description="new connections of one address at once")
    publishes_per_s: Seconds = Field(200.0, description="publications per second of one session, on average")
    publish_burst: Positive = Field(400, description="publications of one session at once")
    joins_per_s: Seconds = Field(50.0, description="joins per second of one identity, on average")
    join_burst: Positive = Field(200, description="joins of one identity at once")
    new_rooms_per_s: Seconds = Field(10.0, description="rooms that one identity makes per second, on average")
    new_room_burst: Positive = Field(100, description="rooms that one identity makes at once")
    rooms_per_session: Positive = Field(100, description="rooms one session may be in")
    sessions_per_identity: Positive = Field(50, description="open sessions of one identity")
    waiting_bytes: Positive = Field(1_048_576, description="bytes that may wait for one slow session")
    recovery_bytes: Positive = Field(
        8_388_608, description="bytes of publications that a join recovers; who missed more is told `recovered` false"
    )
    attachments: Positive = Field(64, description="binary parts of one Socket.IO message")
    join_first_s: Seconds = Field(10.0, description="seconds a connection has to join a first namespace")
    presence_members: Positive = Field(
        200, description="members of a room up to which presence is pushed; join answers at most so many"
    )
    presence_grace_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        2.0, description="seconds for which a member whose connection broke counts as present"
    )
    device_silent_s: Seconds = Field(
        60.0, description="seconds without a message after which a device that sends no status is offline"
    )
    calls_in_flight: Positive = Field(1000, description="calls that wait for their answer at one time")
    calls_per_identity: Positive = Field(100, description="calls of one identity that wait for their answer")
    call_timeout_max_s: Seconds = Field(60.0, description="the longest a call may wait for its answer")


class Mqtt(Section):
    enabled: bool = Field(True, description="run the embedded MQTT broker (never together with bridge.url)")
    host: str = Field("", description="address the embedded broker listens on; empty: that of server")
    port: Port = Field(1883, description="port of the embedded broker; 0 takes a free one")
    cert_file: str = Field("", description="PEM file with the certificate for TLS (mqtts://); empty: that of server")
    key_file: str = Field("", description="PEM file with its private key; empty: it stands in cert_file")
    ca_file: str = Field(
        "", description="PEM file with the CA that signed the certificates that clients of this port need"
    )
    websocket: bool = Field(True, description="serve MQTT over WebSocket at /mqtt of the HTTP port")
    max_connections: Positive = Field(20_000, description="open MQTT connections; more are refused")
    packet_bytes: Positive = Field(1_048_576, description="size of one MQTT packet; past it the connection ends")
    receive_maximum: Annotated[int, Field(gt=0, le=65_535)] = Field(
        256, description="QoS 1 and 2 messages that one client may send before they are acknowledged"
    )
    topic_aliases: Annotated[int, Field(ge=0, le=65_535)] = Field(
        32, description="topic aliases that one client may use"
    )
    keepalive_max_s: Annotated[int, Field(gt=0, le=65_535)] = Field(
        120, description="longest keepalive; an MQTT 5 client that asks for more is told this"
    )
    connect_s: Seconds = Field(5.0, description="seconds a connection has to send its CONNECT")
    publishes_per_s: Seconds = Field(
        2000.0, description="messages per second of one connection, on average; what comes faster is read later"
    )
    publish_burst: Positive = Field(4000, description="messages of one connection at once")
    session_expiry_max_s: Positive = Field(86_400, description="longest time that a session is kept for its client")
    sessions: Positive = Field(50_000, description="MQTT sessions, connected or not")
    subscriptions: Positive = Field(1000, description="subscriptions of one session")
    queued: Positive = Field(1000, description="QoS 1 and 2 messages that wait for one session; past it the oldest go")
    queued_bytes: Positive = Field(8_388_608, description="their bytes, and those of messages that are in flight to it")
    waiting_bytes: Positive = Field(
        1_048_576, description="bytes that wait for one connection; past it QoS 0 is dropped"
    )
    retained: Positive = Field(100_000, description="retained messages; past it new topics are refused")
    retained_bytes: Positive = Field(
        268_435_456, description="bytes of retained messages; past it new ones are refused"
    )


class Grpc(Section):
    enabled: bool = Field(False, description="serve gRPC, in a process of its own")
    host: str = Field("", description="address for gRPC; empty: that of server")
    port: Port = Field(50_051, description="port for gRPC; 0 takes a free one")
    cert_file: str = Field("", description="PEM file with the certificate for TLS; empty: that of server")
    key_file: str = Field("", description="PEM file with its private key; empty: it stands in cert_file")
    streams: Positive = Field(1000, description="open Subscribe and Session streams; more are refused")
    requests: Positive = Field(1000, description="other gRPC requests under way at one time; more are refused")


class Bridge(Section):
    url: str = Field(
        "", description="an outside broker, mqtt://host:1883 or mqtts://host:8883; then no embedded one is run"
    )
    client_id: str = Field("rt-service", min_length=1, max_length=64, description="client id at that broker")
    trusted: bool = Field(
        False,
        description="that broker lets a device use its own topics only; needed in token mode, see mosquitto-config",
    )
    username: str = Field("", description="user name at that broker")
    password: SecretStr = Field(SecretStr(""), description="password at that broker")
    ca_file: str = Field("", description="mqtts: the CA that signed that broker's certificate; empty: the system's")
    cert_file: str = Field("", description="mqtts: our certificate for that broker, if it wants one")
    key_file: str = Field("", description="mqtts: the private key of that certificate")
    protocol: Literal["3.1.1", "5"] = Field("5", description="MQTT version spoken with that broker")
    keepalive_s: Annotated[int, Field(gt=0, le=65_535)] = Field(30, description="MQTT keepalive")
    session_expiry_s: Positive = Field(86_400, description="seconds that broker keeps our session while we are away")
    receive_maximum: Annotated[int, Field(gt=0, le=65_535)] = Field(
        256, description="QoS 1 and 2 messages that broker may send before we acknowledge them"
    )
    inbox: Positive = Field(4096, description="messages that wait to be taken; past it QoS 0 is dropped")
    outbox: Positive = Field(10_000, description="publications that wait for that broker; past it the newest go")
    backoff_min_s: Seconds = Field(0.25, description="first pause before connecting again")
    backoff_max_s: Seconds = Field(30.0, description="longest pause before connecting again")


class Store(Section):
    url: str = Field(
        "sqlite",
        description="where accounts and devices' secrets are: sqlite (accounts.db in server.data_dir), "
        "postgresql+psycopg://user:password@host/database",
    )


class Accounts(Section):
    enabled: bool = Field(
        False, description="keep accounts, for who logs in, and devices' secrets; needs auth.mode token"
    )
    token_s: Seconds = Field(3600.0, description="how long a token is good for that somebody logged in for")
    registration: Literal["admins", "open"] = Field(
        "admins", description="who may register accounts over HTTP: admins, or open: everybody"
    )
    most: Positive = Field(100_000, description="accounts that may be registered over HTTP")
    attempts_per_name: Positive = Field(10, description="log-ins a minute with one name; more are refused")
    attempts_per_address: Positive = Field(
        60, description="log-ins and registrations a minute from one address; more are refused"
    )


class Routes(Section):
    file: str = Field("routes.toml", description="what topics become and the other way round; relative to config/")
    dead_letters: Positive = Field(1000, description="device messages that became nothing which are kept to look at")
    dead_letter_bytes: Positive = Field(256, description="bytes kept of each one's payload")


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is written")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else json")


class Simulate(Section):
    devices: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="simulated devices to start along")


class Settings(Section):
    server: Server = Server()
    auth: Auth = Auth()
    socketio: SocketIo = SocketIo()
    engine: EngineSection = EngineSection()
    history: History = History()
    limits: Limits = Limits()
    mqtt: Mqtt = Mqtt()
    grpc: Grpc = Grpc()
    bridge: Bridge = Bridge()
    store: Store = Store()
    accounts: Accounts = Accounts()
    routes: Routes = Routes()
    log: Log = Log()
    simulate: Simulate = Simulate()

    def host(self, section: str) -> str:
        """The address that `server`, `mqtt` or `grpc` listens on."""
        return str(getattr(self, section).host) or self.server.host


def names() -> Iterator[tuple[str, str, Any]]:
    """Every setting: (section, key, pydantic's FieldInfo)."""
    for section, field in Settings.model_fields.items():
        for key, info in field.annotation.model_fields.items():  # type: ignore[union-attr]
            yield section, key, info


def check_loopback(settings: Settings, section: str) -> None:
    """Raises SettingsError for an address that others can reach, where no tokens are needed and nobody wants that."""
    host = settings.host(section)
    if host not in LOOPBACK and settings.auth.mode == "open" and not settings.auth.open_to_all:
        raise SettingsError(
            f"{section}.host: {host} can be reached by others, and without tokens everybody may everything; "
            f"use one of {', '.join(LOOPBACK)}, or tokens (auth.mode=token); --open-to-all opens it anyway"
        )


def config_dir() -> Path:
    """The folder with default.toml and routes.toml: in a checkout beside the package, else inside it."""
    package = Path(__file__).resolve().parent
    return next((d for d in (package.parent / "config", package / "config") if d.is_dir()), package / "config")


def load(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The effective settings.

    Args:
        file: a TOML file; without one config/default.toml is read if it is there.
        environ: where `RT_SECTION__KEY` is looked for; the process's environment if not given.
        overrides: `{"section.key": value}`, the strongest.

    Raises:
        SettingsError: a name or a value cannot be used; says which, where it stands and what was probably meant.
    """
    values: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}

    def put(name: str, value: Any, origin: str) -> None:
        section, _, key = name.partition(".")
        _check_known(section, key, origin)
        values.setdefault(section, {})[key] = _parsed(section, key, value)
        origins[f"{section}.{key}"] = origin

    for name, value in _from_file(file):
        put(name, value, str(file or "config/default.toml"))
    for variable, text in (os.environ if environ is None else environ).items():
        if variable.startswith(ENV_PREFIX):
            put(variable.removeprefix(ENV_PREFIX).lower().replace("__", "."), text, variable)
    for name, value in (overrides or {}).items():
        put(name, value, "command line")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explained(error, origins)) from None


def _explained(error: ValidationError, origins: Mapping[str, str]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    shown = "" if name == "bridge.password" else f", not {first['input']!r}"
    why = first["msg"].removeprefix("Value error, ")
    return f"{origins.get(name, 'settings')}: {name}: {why[0].lower()}{why[1:]}{shown}"


def _from_file(file: Path | None) -> Iterator[tuple[str, Any]]:
    path = file or config_dir() / "default.toml"
    if file is None and not path.is_file():
        return
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None
    for section, table in document.items():
        keys = table if isinstance(table, dict) else {}
        for key, value in keys.items():
            yield f"{section}.{key}", value
        if (not keys and section not in Settings.model_fields) or not isinstance(table, dict):
            _check_known(section, "", str(path))


def _check_known(section: str, key: str, origin: str) -> None:
    known = [f"{s}.{k}" for s, k, _ in names()]
    name = f"{section}.{key}" if key else section
    if name in known:
        return
    near = [one for one in known if one.partition(".")[2] == name] or difflib.get_close_matches(name, known, 1, 0.55)
    shown = [_variable(one) if origin.startswith(ENV_PREFIX) else one for one in near]
    hint = f"; did you mean {' or '.join(shown)}?" if near else f"; sections are {', '.join(Settings.model_fields)}"
    raise SettingsError(f"{origin}: there is no setting {name}{hint}")


def _variable(name: str) -> str:
    return ENV_PREFIX + name.upper().replace(".", "__")


def _parsed(section: str, key: str, value: Any) -> Any:
    """Text from the environment or the command line, for a table or a list: TOML, or items with commas between them."""
    field = Settings.model_fields[section].annotation.model_fields[key]  # type: ignore[union-attr]
    kind = get_origin(field.annotation)
    if not isinstance(value, str) or kind not in (list, dict):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value if kind is dict else [item.strip() for item in value.split(",") if item.strip()]


def effective(settings: Settings) -> dict[str, dict[str, Any]]:
    """Every value as it is, secrets masked."""
    values = settings.model_dump(mode="json")
    values["bridge"]["url"] = without_secret(settings.bridge.url)
    values["store"]["url"] = without_secret(settings.store.url)
    return values


def without_secret(url: str) -> str:
    """`url` with its passwords masked, also one with characters that it should have written as %40."""
    masked = re.sub(r"(//[^/@:]*):.*@", r"\1:**********@", url)
    return re.sub(r"(password=)[^&]*", r"\1**********", masked)
