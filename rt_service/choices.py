"""What settings choose: the engine, who may, the bounds of everything; and what cannot be chosen together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rt_service import keys
from rt_service.auth.policy import OpenPolicy, Policy, Rule, check_verbs
from rt_service.auth.revocations import Revocations
from rt_service.auth.tokens import Expected, Key, Tokens
from rt_service.bridge.link import address
from rt_service.core.errors import BadRequest
from rt_service.core.hub import HubBounds
from rt_service.core.ports import Clock
from rt_service.core.stream import StreamBounds
from rt_service.engines.memory import MemoryEngine
from rt_service.engines.sqlite import CannotOpen, Database, SqliteEngine
from rt_service.gateways import front
from rt_service.gateways.mqtt.broker import BrokerBounds
from rt_service.gateways.mqtt.handshake import ConnectionBounds
from rt_service.gateways.mqtt.queue import QueueBounds
from rt_service.metrics import Metrics
from rt_service.mqtt import routes
from rt_service.publishing import ApiBounds
from rt_service.settings import Settings, SettingsError, check_loopback, config_dir
from rt_service.settings.access import AuthRule


def check(settings: Settings) -> routes.Routes:
    """Whatever can be wrong with settings that are each for themselves right; the routes that they name.

    Raises:
        SettingsError, RoutesError: they cannot be used.
    """
    for section in ("server", "mqtt", "grpc"):
        check_loopback(settings, section)
    if settings.engine.url not in ("memory", "sqlite"):
        raise SettingsError(f"engine.url: there is no engine {settings.engine.url!r}; there are sqlite and memory")
    for name, table in (
        ("engine.durability", settings.engine.durability),
        ("history.namespaces", settings.history.namespaces),
    ):
        unknown = sorted(set(table) - set(settings.server.namespaces) - {"/game"})
        if unknown:
            there_are = ", ".join(settings.server.namespaces)
            raise SettingsError(f"{name}: there is no namespace {unknown[0]}; there are {there_are}")
    front.check(settings)
    if settings.bridge.url:
        address(settings.bridge)
        if settings.auth.mode == "token" and not settings.bridge.trusted:
            raise SettingsError(
                "bridge.trusted: in token mode the outside broker has to check who publishes what; set it once its ACL "
                "does (`mosquitto-config` writes one)"
            )
    if settings.accounts.enabled and settings.auth.mode == "open":
        raise SettingsError('accounts.enabled: nobody logs in where nobody needs a token; set auth.mode = "token"')
    return routes.load(config_dir() / settings.routes.file)


def policy(settings: Settings, clock: Clock, revocations: Revocations) -> Policy:
    """Raises SettingsError when a key or a rule cannot be used."""
    auth = settings.auth
    _check_rules(auth.rules)
    if auth.mode == "open":
        return OpenPolicy()
    rules = [Rule(*(tuple(getattr(rule, name)) for name in Rule._fields)) for rule in auth.rules]
    expected = Expected(auth.audience, auth.issuer, auth.leeway_s)
    return Tokens(token_keys(settings, clock), expected, rules, revocations.revoked)


def _check_rules(rules: list[AuthRule]) -> None:
    for number, rule in enumerate(rules, 1):
        try:
            check_verbs(rule.verbs)
        except BadRequest as error:
            raise SettingsError(f"auth.rules, number {number}: {error.message}") from None


def token_keys(settings: Settings, clock: Clock) -> Callable[[], list[Key]]:
    """What answers the keys that tokens are checked with. Raises SettingsError when one cannot be used."""
    auth = settings.auth
    try:
        given = {id: keys.Given(k.algorithm, k.secret.get_secret_value(), k.file) for id, k in auth.keys.items()}
        fixed = keys.from_settings(given)
        if not auth.jwks_file:
            found = fixed or [keys.local(settings.server.data_dir)]
            return lambda: found
        jwks = keys.Jwks(Path(auth.jwks_file), clock)
        return lambda: [*fixed, *jwks.current()]
    except keys.CannotUse as error:
        raise SettingsError(str(error)) from None


def engine(settings: Settings, clock: Clock, metrics: Metrics) -> MemoryEngine | SqliteEngine:
    """Raises SettingsError when the file cannot be used."""
    history = settings.history
    bounds = StreamBounds(
        publications=history.publications,
        age_ms=int(history.age_s * 1000),
        keys=history.keys,
        repeat_ids=history.repeat_ids,
        repeat_ms=int(history.repeat_s * 1000),
        rooms=history.rooms,
        keys_bytes=history.keys_bytes,
        bytes=history.bytes,
        memory_bytes=history.memory_bytes,
    )
    by_namespace = dict.fromkeys(settings.server.namespaces, bounds)
    for namespace, other in history.namespaces.items():
        by_namespace[namespace] = replace(
            bounds,
            publications=other.publications or bounds.publications,
            age_ms=int((other.age_s or history.age_s) * 1000),
        )
    if settings.engine.url == "memory":
        return MemoryEngine(clock, bounds, by_namespace, metrics.forgotten.inc)
    in_memory = [namespace for namespace, how in settings.engine.durability.items() if how == "memory"]
    try:
        database = Database(Path(settings.server.data_dir))
        return SqliteEngine(database, clock, bounds, by_namespace, in_memory, metrics.forgotten.inc)
    except CannotOpen as error:
        raise SettingsError(str(error)) from None


def hub_bounds(settings: Settings) -> HubBounds:
    limits = settings.limits
    return HubBounds(
        rooms_per_session=limits.rooms_per_session,
        sessions_per_identity=limits.sessions_per_identity,
        waiting_bytes=limits.waiting_bytes,
        history=settings.history.publications,
        recovery_bytes=limits.recovery_bytes,
        presence_members=limits.presence_members,
        presence_grace_s=limits.presence_grace_s,
    )


def api_bounds(settings: Settings) -> ApiBounds:
    limits = settings.limits
    return ApiBounds(
        message_bytes=limits.message_bytes,
        answer_bytes=limits.wire_bytes,
        publishes_per_s=limits.publishes_per_s,
        publish_burst=limits.publish_burst,
        call_timeout_max_s=limits.call_timeout_max_s,
        joins_per_s=limits.joins_per_s,
        join_burst=limits.join_burst,
        new_rooms_per_s=limits.new_rooms_per_s,
        new_room_burst=limits.new_room_burst,
    )


def broker_bounds(settings: Settings) -> BrokerBounds:
    mqtt = settings.mqtt
    return BrokerBounds(
        sessions=mqtt.sessions,
        sessions_per_identity=settings.limits.sessions_per_identity,
        subscriptions=mqtt.subscriptions,
        queue=QueueBounds(mqtt.queued, mqtt.queued_bytes),
        retained=mqtt.retained,
        retained_bytes=mqtt.retained_bytes,
        session_expiry_max_s=mqtt.session_expiry_max_s,
    )


def connection_bounds(settings: Settings) -> ConnectionBounds:
    mqtt = settings.mqtt
    return ConnectionBounds(
        packet_bytes=mqtt.packet_bytes,
        receive_maximum=mqtt.receive_maximum,
        topic_aliases=mqtt.topic_aliases,
        keepalive_max_s=mqtt.keepalive_max_s,
        connect_s=mqtt.connect_s,
        waiting_bytes=mqtt.waiting_bytes,
        publishes_per_s=mqtt.publishes_per_s,
        publish_burst=mqtt.publish_burst,
    )
