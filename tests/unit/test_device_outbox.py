"""What a device has said waits in order, is bounded, and is handed over once."""

from __future__ import annotations

from rt_device.outbox import Message, Outbox


class Broker:
    """Takes messages; acknowledges those that it is told to, or each at once, before its id is known."""

    def __init__(self, bound: int = 100, at_once: bool = False) -> None:
        self.sent: list[str] = []
        self._at_once = at_once
        self.outbox = Outbox(self._send, bound)

    def _send(self, message: Message) -> int:
        self.sent.append(message.topic)
        if self._at_once:
            self.outbox.acknowledged(len(self.sent))
        return len(self.sent)

    def say(self, *topics: str) -> None:
        for topic in topics:
            self.outbox.put(Message(topic, b""))


def test_what_was_in_flight_when_the_connection_broke_goes_before_anything_newer() -> None:
    broker = Broker()
    broker.outbox.opened(10)
    broker.say("a", "b")
    broker.outbox.closed()
    broker.say("c")
    broker.outbox.opened(10)
    assert broker.sent == ["a", "b"]  # MQTT sends these again by itself
    broker.outbox.acknowledged(1)
    assert broker.sent == ["a", "b"]
    broker.outbox.acknowledged(2)
    assert broker.sent == ["a", "b", "c"]


def test_no_more_is_in_flight_than_may_be() -> None:
    broker = Broker()
    broker.say("a", "b", "c")
    broker.outbox.opened(2)
    assert broker.sent == ["a", "b"]
    broker.outbox.acknowledged(1)
    assert broker.sent == ["a", "b", "c"]


def test_an_acknowledgement_that_comes_before_the_id_counts() -> None:
    broker = Broker(at_once=True)
    broker.outbox.opened(1)
    broker.say("a", "b", "c")
    assert broker.sent == ["a", "b", "c"] and len(broker.outbox) == 0
    assert broker.outbox.wait_until_empty(0)


def test_the_oldest_that_waits_leaves_when_there_are_too_many() -> None:
    broker = Broker(bound=2)
    broker.say("a", "b", "c")
    assert (broker.outbox.dropped, len(broker.outbox)) == (1, 2)
    broker.outbox.opened(10)
    assert broker.sent == ["b", "c"] and not broker.outbox.wait_until_empty(0)
