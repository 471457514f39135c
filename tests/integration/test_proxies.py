"""Behind a proxy: whom it names is who counts, if the settings name the proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rt_service import cli
from tests.support.raw_http import RawHttp, Reply, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service
from tests.support.waiting import eventually

PROXY, OTHER = "127.0.0.9", "127.0.0.8"
POLL = "/api/v1/rooms/chat/proxied/publications?since=x:0&wait=20"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    limits = ("connections_per_address=3", "connects_per_s=1000", "connect_burst=1000")
    more = ["server.proxies=127.0.0.9,192.0.2.0/24", "server.hosts=rt.example", *(f"limits.{one}" for one in limits)]
    with Service(*[part for one in more for part in ("--set", one)]) as running:
        yield running


def ask(service: Service, client: str, *headers: str, via: str = PROXY, path: str = "/livez") -> Reply:
    with RawHttp(service, via) as proxy:
        return proxy.send(said("GET", path, f"X-Forwarded-For: {client}", *headers)).reply()


def held(service: Service, client: str, path: str = "/ws") -> RawWebSocket:
    return RawWebSocket(service.http, path, {"X-Forwarded-For": client, "Sec-WebSocket-Protocol": "mqtt"}, source=PROXY)


@pytest.mark.parametrize(
    ("path", "client"),
    [
        ("/ws", "198.51.100.11"),
        ("/echo", "198.51.100.12"),
        ("/mqtt", "198.51.100.13"),
        ("/socket.io/?EIO=4&transport=websocket", "198.51.100.14"),
    ],
)
def test_a_client_behind_a_proxy_has_so_many_connections_and_others_have_theirs(
    service: Service, path: str, client: str
) -> None:
    sockets = [held(service, client, path) for _ in range(3)]
    assert [ws.status for ws in sockets] == [101] * 3
    reply = ask(service, client)
    assert (reply.status, reply.code) == (429, "too_many_requests") and reply.headers["retry-after"] == "5"
    assert ask(service, f"203.0.113.1, {client}").status == 429  # what the client made up does not help it
    assert ask(service, "198.51.100.2").status == 200
    assert any(line["address"].startswith("198.51.100.1") for line in service.events("request_refused"))
    for ws in sockets:
        ws.close()
    eventually(lambda: ask(service, client).status == 200)


def test_requests_that_wait_count_as_long_as_they_do(service: Service) -> None:
    waiting = [RawHttp(service, PROXY).send(said("GET", POLL, "X-Forwarded-For: 198.51.100.3")) for _ in range(3)]
    eventually(lambda: ask(service, "198.51.100.3").status == 429)
    for client in waiting:
        client.socket.close()
    one = said("GET", "/livez", "X-Forwarded-For: 198.51.100.4")
    with RawHttp(service, PROXY) as proxy:
        for _ in range(20):  # one after another they are never many
            assert proxy.send(one).reply().status == 200


def test_a_proxy_itself_has_as_many_connections_as_it_needs(service: Service) -> None:
    many = [held(service, f"198.51.101.{n}") for n in range(20)]
    assert [ws.status for ws in many] == [101] * 20
    for ws in many:
        ws.close()


def test_what_somebody_else_says_about_its_address_is_not_believed(service: Service) -> None:
    sockets = [RawWebSocket(service.http, "/ws", {"X-Forwarded-For": f"10.0.0.{n}"}, source=OTHER) for n in range(3)]
    assert ask(service, "10.0.0.99", via=OTHER).status == 429
    for ws in sockets:
        ws.close()
    eventually(lambda: ask(service, "10.0.0.99", via=OTHER).status == 200)


def test_a_page_is_of_the_origin_that_the_proxy_is_asked_at(service: Service) -> None:
    def asked(origin: str, *headers: str, via: str = PROXY) -> int:
        with RawHttp(service, via) as proxy:
            head = ["GET /livez HTTP/1.1", "Host: rt.example", f"Origin: {origin}", *headers, "", ""]
            return proxy.send("\r\n".join(head).encode()).reply().status

    assert asked("https://rt.example", "X-Forwarded-Proto: https") == 200
    assert asked("http://rt.example", "X-Forwarded-Proto: https") == 403
    assert asked("https://rt.example", "X-Forwarded-Proto: https", via=OTHER) == 403
    assert (
        asked("https://rt.example", "Forwarded: for=198.51.100.1;proto=https") == 403
    )  # not the header of the settings


def test_publishers_behind_a_proxy_have_each_their_own_rate() -> None:
    limits = ("limits.publishes_per_s=0.01", "limits.publish_burst=1", f"server.proxies={PROXY}")
    body = b'{"event":"say","data":1}'

    def publish(service: Service, client: str) -> int:
        with RawHttp(service, PROXY) as proxy:
            head = ("Content-Type: application/json", f"Content-Length: {len(body)}", f"X-Forwarded-For: {client}")
            return proxy.send(said("POST", "/api/v1/rooms/chat/rates/publications", *head, body=body)).reply().status

    with Service(*[part for one in limits for part in ("--set", one)]) as service:
        assert [publish(service, f"198.51.100.{n}") for n in (1, 1, 2, 2)] == [201, 429, 201, 429]


def test_the_standard_header_may_be_the_one() -> None:
    limits = ("limits.connections_per_address=1", f"server.proxies={PROXY}", "server.proxy_header=Forwarded")
    with Service(*[part for one in limits for part in ("--set", one)]) as service:
        named = {"Forwarded": 'for="[2001:db8::1]:47011";proto=https'}
        with RawWebSocket(service.http, "/ws", named, source=PROXY) as ws:
            assert ws.status == 101
            same = 'Forwarded: for="[2001:db8::2]"'  # of the same household
            assert ask(service, "198.51.100.9", same).status == 429
            assert ask(service, "198.51.100.9", "Forwarded: for=192.0.2.1").status == 200


def test_devices_through_a_proxy_are_not_counted_as_one_address(service: Service) -> None:
    devices = [RawMqtt(service.mqtt, source=PROXY) for _ in range(10)]
    assert [device.connect(f"proxied-{n}").reason for n, device in enumerate(devices)] == [0] * 10
    for device in devices:
        device.close()


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (
            "server.proxies=proxy.example",
            "server.proxies: 'proxy.example' does not appear to be an IPv4 or IPv6 network",
        ),
        ("server.hosts=https://rt.example", "server.hosts: 'https://rt.example' is no name of a host"),
        ("server.proxy_header=X-Real-IP", "server.proxy_header: input should be 'X-Forwarded-For' or 'Forwarded'"),
    ],
)
def test_what_cannot_be_a_proxy_or_a_name_is_named(setting: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", "--set", setting]) == 2
    assert says in capsys.readouterr().err
