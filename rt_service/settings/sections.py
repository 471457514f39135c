"""The settings of what is served, section by section: type, default and help; those of who gets in are in `access`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from rt_service.settings.kinds import Namespace, Port, Positive, Seconds, Section


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
    bytes: Positive = Field(
        67_108_864,
        description="bytes of a room's history, enough for a thousand of the largest; past it the oldest leave",
    )
    memory_bytes: Positive = Field(
        536_870_912, description="bytes of all rooms in memory; past it what was used longest ago leaves it"
    )
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
    inbox: Positive = Field(4096, description="messages that wait to be taken; past it reading pauses")
    outbox: Positive = Field(10_000, description="publications that wait for that broker; past it the newest go")
    backoff_min_s: Seconds = Field(0.25, description="first pause before connecting again")
    backoff_max_s: Seconds = Field(30.0, description="longest pause before connecting again")


class Routes(Section):
    file: str = Field("routes.toml", description="what topics become and the other way round; relative to config/")
    dead_letters: Positive = Field(1000, description="device messages that became nothing which are kept to look at")
    dead_letter_bytes: Positive = Field(256, description="bytes kept of each one's payload")


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is written")
    format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal, else json")


class Simulate(Section):
    devices: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="simulated devices to start along")
