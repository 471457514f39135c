"""Socket.IO protocol v5 on the wire: every behaviour that the protocol's own suite looks at, and those around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.raw_ws import BINARY, RawWebSocket, masked

WS = "/socket.io/?EIO=4&transport=websocket"


@pytest.fixture
def ws(app: str) -> Iterator[Callable[..., RawWebSocket]]:
    opened: list[RawWebSocket] = []

    def connect(path: str = WS) -> RawWebSocket:
        opened.append(RawWebSocket(app, path))
        assert opened[-1].text()[0] == "0"
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def main(ws: Any) -> RawWebSocket:
    """Connected to the main namespace."""
    client: RawWebSocket = ws()
    client.send("40")
    assert client.text().startswith('40{"sid":')
    assert client.text() == '42["auth",{}]'
    return client


def attachments(client: RawWebSocket, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        frame = client.frame()
        assert frame is not None and (frame[0] == BINARY or frame[1] == b"2"), frame  # a ping may stand between them
        if frame[0] == BINARY:
            found.append(frame[1])
    return found


# -- connecting


@pytest.mark.parametrize("namespace", ["", "/custom,"])
@pytest.mark.parametrize("auth", ["", '{"token":"123"}'])
def test_a_namespace_is_connected_to_and_gets_its_auth(ws: Any, namespace: str, auth: str) -> None:
    client = ws()
    client.send(f"40{namespace}{auth}")
    answer = client.text()
    assert answer.startswith(f"40{namespace}") and set(json.loads(answer[2 + len(namespace) :])) == {"sid"}
    assert client.text() == f'42{namespace}["auth",{auth or "{}"}]'


def test_an_unknown_namespace_is_refused_with_a_message(ws: Any) -> None:
    client = ws()
    client.send("40/random")
    assert client.text() == '44/random,{"message":"Invalid namespace"}'


def test_a_query_behind_the_namespace_is_no_part_of_its_name(ws: Any) -> None:
    client = ws()
    client.send("40/custom?token=x,")
    assert client.text().startswith("40/custom,")


def test_a_connection_that_joins_nothing_is_closed(ws: Any) -> None:
    assert ws().ended() is not None  # while it is pinged, and has long to answer


def test_an_application_may_refuse_with_a_reason(ws: Any) -> None:
    client = ws(WS + "&closed=1")
    client.send("40/numbers,")
    assert client.text() == '44/numbers,{"message":"closed today"}'


def test_nothing_is_sent_before_the_answer_to_a_connect(ws: Any) -> None:
    for _ in range(20):
        client = ws()
        client.send("40")
        assert client.text().startswith("40")


@pytest.mark.parametrize(
    "sent",
    [
        "4abc", "4", "47", "40[]", "40 ", '40"x"', "42", "42{}", "42[]", "42[1]", "42[null]", "42abc[]", '42["a"',
        "42[NaN]", '42["a",1e999]', '42["a","\\ud800"]', '4299999999999999999["a"]', '42-1["a"]', "43[]", "431{}", "43",
        "44{}", "45[]", '45["a"]', '450-["a"]', '451000000000-["a"]', '4565-["a"]', '45x-["a"]', "41{}",
        '451-["a",{"_placeholder":true,"num":0}]' + "4",
    ],
)  # fmt: skip
def test_what_is_no_packet_closes_the_connection(main: RawWebSocket, sent: str) -> None:
    main.send(sent)
    assert main.ended() == 1002


def test_binary_that_was_not_announced_closes_the_connection(main: RawWebSocket) -> None:
    main.send(masked(BINARY, b"\x01"))
    assert main.ended() == 1002


def test_text_where_an_attachment_is_due_closes_the_connection(main: RawWebSocket) -> None:
    main.send('451-["message",{"_placeholder":true,"num":0}]', '42["message"]')
    assert main.ended() == 1002


@pytest.mark.parametrize(
    "data",
    [
        '{"_placeholder":true,"num":1}', '{"_placeholder":true,"num":-1}', '{"_placeholder":true,"num":"0"}',
        '{"_placeholder":true}', '{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}',
    ],
)  # fmt: skip
def test_a_placeholder_that_stands_for_nothing_or_too_much_closes_the_connection(main: RawWebSocket, data: str) -> None:
    main.send(f'451-["message",{data}]', masked(BINARY, b"x"))
    assert main.ended() == 1002


# -- disconnecting


def test_leaving_the_main_namespace_keeps_the_connection(main: RawWebSocket) -> None:
    main.send("41", '42["message","nobody hears"]', "40")
    assert main.text().startswith("40{")
    assert main.text() == '42["auth",{}]'
    main.send('42["message","heard"]')
    assert main.text() == '42["message-back","heard"]'


def test_leaving_one_namespace_keeps_the_others(main: RawWebSocket) -> None:
    main.send("40/custom")
    assert main.text().startswith("40/custom,")
    assert main.text() == '42/custom,["auth",{}]'
    main.send("41/custom", '42["message","to main"]')
    assert main.text() == '42["message-back","to main"]'


# -- messages


def test_an_event_is_answered_with_all_its_arguments(main: RawWebSocket) -> None:
    main.send('42["message",1,"2",{"3":[true]}]')
    assert main.text() == '42["message-back",1,"2",{"3":[true]}]'


def test_an_event_with_attachments_is_answered_with_them(main: RawWebSocket) -> None:
    main.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    main.send(masked(BINARY, b"\x01\x02\x03"), masked(BINARY, b"\x04\x05\x06"))
    assert main.text() == '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert attachments(main, 2) == [b"\x01\x02\x03", b"\x04\x05\x06"]


def test_an_acknowledgement_has_the_id_and_the_arguments(main: RawWebSocket) -> None:
    main.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert main.text() == '43456[1,"2",{"3":[false]}]'


def test_an_acknowledgement_may_have_attachments(main: RawWebSocket) -> None:
    main.send('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    main.send(masked(BINARY, b"\x01"), masked(BINARY, b"\x02"))
    assert main.text() == '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert attachments(main, 2) == [b"\x01", b"\x02"]


@pytest.mark.parametrize("event", ["connect", "disconnect"])
def test_a_client_cannot_run_the_applications_own_connect_and_disconnect(main: RawWebSocket, event: str) -> None:
    main.send(f'42["{event}",{{}}]', '42["message","still here"]')
    assert main.text() == '42["message-back","still here"]'


def test_events_of_one_client_are_answered_in_order(main: RawWebSocket) -> None:
    main.send(*(f'42["message",{n}]' for n in range(200)))
    assert [main.text() for _ in range(200)] == [f'42["message-back",{n}]' for n in range(200)]


def test_an_event_for_a_namespace_that_is_not_connected_is_ignored(main: RawWebSocket) -> None:
    main.send('42/custom,1["message-with-ack",1]', '42["message",2]')
    assert main.text() == '42["message-back",2]'


def test_an_acknowledgement_that_nobody_waits_for_is_ignored(main: RawWebSocket) -> None:
    main.send("430[1]", "4399[1]", '42["message",2]')
    assert main.text() == '42["message-back",2]'
