"""Servers that do to a Socket.IO client what rt-service does not: fall silent, talk nonsense, refuse for a while."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

HELLO = '0{"sid":"s","upgrades":[],"pingInterval":%d,"pingTimeout":%d,"maxPayload":1000000}'


class ScriptedServer:
    """`script` is one of SCRIPTS; it gets the connection and how many there were before."""

    def __init__(self, script: str) -> None:
        self._script = SCRIPTS[script]
        self._connections = 0
        self._over = threading.Event()
        self.heard: list[str] = []
        self._server = serve(
            self._serve, "127.0.0.1", 0, max_size=None, compression=None, ping_interval=None, close_timeout=1
        )
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._server.shutdown()

    def _serve(self, connection: ServerConnection) -> None:
        number, self._connections = self._connections, self._connections + 1
        try:
            self._script(Talk(connection, self.heard, self._over), number)
        except ConnectionClosed:
            pass  # the client left, as it may


class Talk:
    """One connection, as a script has it."""

    def __init__(self, connection: ServerConnection, heard: list[str], over: threading.Event) -> None:
        self._connection = connection
        self._heard = heard
        self._over = over

    def hello(self, interval_ms: int = 25000, timeout_ms: int = 20000) -> None:
        self.say(HELLO % (interval_ms, timeout_ms))

    def say(self, message: str | bytes) -> None:
        self._connection.send(message)

    def hear(self) -> str:
        text = self._connection.recv()
        assert isinstance(text, str)
        self._heard.append(text)
        return text

    def times_heard(self, text: str) -> int:
        """Over all connections."""
        return self._heard.count(text)

    def say_nothing(self) -> None:
        """Neither say nor hear anything until the test is over."""
        self._over.wait()

    def let_in(self) -> str:
        """Greet, and answer the CONNECT of /chat, which is returned."""
        self.hello()
        connect = self.hear()
        self.say('40/chat,{"sid":"n"}')
        return connect

    def answer_all(self, answer: Callable[[str, Any], Any]) -> None:
        """Answer every event that wants an answer, until the client leaves."""
        while True:
            text = self.hear()
            head, bracket, rest = text.partition("[")
            if text.startswith("42/chat,") and bracket:
                verb, request = json.loads(bracket + rest)
                self.say(f"43/chat,{head.partition(',')[2]}{json.dumps([answer(verb, request)])}")


def good(talk: Talk, number: int) -> None:
    talk.let_in()
    talk.answer_all(lambda verb, request: {"ok": True, "at": number})


def mute(talk: Talk, number: int) -> None:
    """The first connection says hello and nothing more."""
    if number:
        good(talk, number)
    talk.hello(100, 100)
    while True:
        talk.hear()


def never_lets_in(talk: Talk, number: int) -> None:
    """The first connection is greeted, and its CONNECT not answered."""
    if number:
        good(talk, number)
    talk.hello()
    while True:
        talk.hear()


NONSENSE: list[str | bytes] = [
    "42/chat,[", "42/chat,{}", "47[]", "0{", '451-/chat,["say",{"_placeholder":true,"num":3}]', b"alone",
    '42/chat,["say",NaN]', '42/chat,["say"' + "," + "[" * 5000, '4' + '5' * 30 + '-/chat,["a"]',
]  # fmt: skip


def nonsense(talk: Talk, number: int) -> None:
    """The first connection of user n says the nth of what is no packet, the next one is good."""
    connect = talk.let_in()
    if talk.times_heard(connect) > 1:
        talk.answer_all(lambda verb, request: {"ok": True, "at": number})
    said = NONSENSE[int(json.loads(connect.partition(",")[2])["user"])]
    talk.say(said)
    if isinstance(said, str) and said.startswith("451-"):
        talk.say(b"part")
    while True:
        talk.hear()


HARMLESS = [
    "", "6", "3probe", "2", '42/elsewhere,["say",1]', '42/chat,["mine",1,2]', '42/chat,["say"]', '43/chat,99["late"]',
    '40/chat,{"sid":"again"}', '42/chat,["presence",{"room":"none","action":"join"}]', '42/chat,["call",{}]',
    '42/chat,["say",{"room":"none","offset":1}]', "41/elsewhere,", '44/chat,{"message":"too late"}',
]  # fmt: skip


def harmless(talk: Talk, number: int) -> None:
    """Things that mean nothing to this client, and must not disturb it."""
    talk.let_in()
    for text in HARMLESS:
        talk.say(text)
    talk.answer_all(lambda verb, request: {"ok": True, "at": number})


def refused_for_a_while(talk: Talk, number: int) -> None:
    talk.hello()
    for _ in range(2):
        talk.hear()
        refusal = {"code": "unavailable", "message": "a moment", "retry_after_ms": 20}
        talk.say("44/chat," + json.dumps({"message": "a moment", "data": refusal}))
    talk.hear()
    talk.say('40/chat,{"sid":"n"}')
    talk.answer_all(lambda verb, request: {"ok": True, "at": number})


def expires(talk: Talk, number: int) -> None:
    """The first token expires at once."""
    talk.let_in()
    closing = {"code": "token_expired", "message": "the token expired", "reconnect": False, "retry_after_ms": 0}
    talk.say("42/chat," + json.dumps(["closing", closing]))
    talk.say("41/chat,")
    talk.hear()
    talk.say('40/chat,{"sid":"n"}')
    talk.answer_all(lambda verb, request: {"ok": True, "at": number})


def never_answers(talk: Talk, number: int) -> None:
    """It lets in, takes everything and answers nothing."""
    talk.let_in()
    while True:
        talk.hear()


def never_reads(talk: Talk, number: int) -> None:
    """The first connection takes nothing off the network."""
    if number:
        good(talk, number)
    talk.let_in()
    talk.say_nothing()


def floods(talk: Talk, number: int) -> None:
    """The first connection says more than anybody handles."""
    if number:
        good(talk, number)
    talk.let_in()
    publication = {
        "room": "lobby",
        "event": "say",
        "data": "x" * 10_000,
        "from": {},
        "id": "i",
        "offset": None,
        "at": 0,
    }
    while True:
        talk.say("42/chat," + json.dumps(["say", publication]))


def joins_only(talk: Talk, number: int) -> None:
    """It answers `join`, and nothing else."""
    talk.let_in()
    while True:
        text = talk.hear()
        if '["join"' in text:
            talk.say("43/chat," + text[len("42/chat,") : text.index("[")] + json.dumps([JOINED]))


def joins_then_never_reads(talk: Talk, number: int) -> None:
    talk.let_in()
    text = talk.hear()
    talk.say("43/chat," + text[len("42/chat,") : text.index("[")] + json.dumps([JOINED]))
    talk.say_nothing()


JOINED = {"ok": True, "epoch": "e", "offset": 1, "recovered": True, "publications": [], "latest": [], "members": []}


def pushes_while_joining(talk: Talk, number: int) -> None:
    """The first `join` is refused for a moment; what is pushed before the second is answered stands in no order."""

    def publication(offset: int) -> dict[str, Any]:
        about = {"room": "lobby", "event": "say", "from": {"kind": "user", "id": "a"}, "id": f"i{offset}", "at": 0}
        return {**about, "data": offset, "offset": offset}

    def number_of(text: str) -> str:
        return text[len("42/chat,") : text.index("[")]

    talk.let_in()
    refusal = {"ok": False, "error": {"code": "unavailable", "message": "a moment", "retry_after_ms": 1}}
    talk.say(f"43/chat,{number_of(talk.hear())}{json.dumps([refusal])}")
    again = talk.hear()
    for offset in (4, 5):
        talk.say("42/chat," + json.dumps(["say", publication(offset)]))
    answer = {**JOINED, "offset": 5, "publications": [publication(offset) for offset in (2, 3, 4)]}
    talk.say(f"43/chat,{number_of(again)}{json.dumps([answer])}")
    talk.say("42/chat," + json.dumps(["say", publication(6)]))
    while True:
        talk.hear()


SCRIPTS: dict[str, Callable[[Talk, int], None]] = {
    one.__name__: one
    for one in (
        good, mute, never_lets_in, nonsense, harmless, refused_for_a_while, expires, never_answers, never_reads, floods,
        joins_only, joins_then_never_reads, pushes_while_joining,
    )
}  # fmt: skip
