from __future__ import annotations

import random

import pytest

from rt_service.mqtt import topics
from rt_service.mqtt.patterns import Pattern, PatternError, covers, widest
from rt_service.mqtt.topics import Trie

# MQTT 5.0 section 4.7.1 and 4.7.2, its own examples among them: filter, topic, whether they match
MATCHES = [
    ("sport/tennis/player1/#", "sport/tennis/player1", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
    ("sport/#", "sport", True),
    ("#", "anything/at/all", True),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("sport/tennis/+", "sport/tennis/player1/ranking", False),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("+/+", "/finance", True),
    ("/+", "/finance", True),
    ("+", "/finance", False),
    ("#", "$SYS/monitor/Clients", False),
    ("+/monitor/Clients", "$SYS/monitor/Clients", False),
    ("$SYS/#", "$SYS/monitor/Clients", True),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
    ("a/+/c", "a//c", True),
    ("a//c", "a//c", True),
    ("a", "A", False),
    ("a/b", "a", False),
]


@pytest.mark.parametrize(("filter", "topic", "expected"), MATCHES)
def test_a_filter_matches_as_the_specification_says(filter: str, topic: str, expected: bool) -> None:
    assert topics.matches(filter, topic) is expected
    trie: Trie[str] = Trie()
    trie.add(filter, "found")
    assert list(trie.match(topic)) == (["found"] if expected else [])


@pytest.mark.parametrize("good", ["a", "/", "a//b", "#", "+", "a/+/b/#", "$share/g/a/#", "ä/ö"])
def test_a_valid_filter_is_taken(good: str) -> None:
    assert topics.is_filter(good)


@pytest.mark.parametrize(
    "bad",
    ["", "a#", "a/#/b", "#/a", "a+", "a/+b", "\0", "$share/g", "$share//a", "$share/g+/a", "$share/g/", "x" * 65536],
)
def test_an_invalid_filter_is_refused(bad: str) -> None:
    assert not topics.is_filter(bad)


@pytest.mark.parametrize("bad", ["", "a/+", "#", "a\0", "x" * 65536, "ä" * 40000])
def test_an_invalid_topic_is_refused(bad: str) -> None:
    assert not topics.is_topic(bad)


def test_a_trie_finds_the_same_as_matching_one_by_one_and_is_empty_after_removing_all() -> None:
    chance = random.Random(7)
    levels = ["a", "b", "+", "$x", ""]
    filters = ["/".join(chance.choices(levels, k=chance.randint(1, 4))) for _ in range(300)]
    filters = [f + "/#" if chance.random() < 0.3 else f for f in filters]
    trie: Trie[int] = Trie()
    for number, filter in enumerate(filters):
        trie.add(filter, number)
    for _ in range(300):
        topic = "/".join(chance.choices(["a", "b", "$x", "", "c"], k=chance.randint(1, 5)))
        expected = {n for n, filter in enumerate(filters) if topics.matches(filter, topic)}
        assert set(trie.match(topic)) == expected, topic
    for number, filter in enumerate(filters):
        trie.remove(filter, number)
    assert len(trie) == 0 and not trie._root.children


def test_a_pattern_reads_names_and_writes_them() -> None:
    pattern = Pattern("devices/{id}/events/{event}")
    assert pattern.filter == "devices/+/events/+"
    assert pattern.read("devices/a/events/b") == {"id": "a", "event": "b"}
    assert pattern.read("devices/a/events") is None and pattern.read("devices//events/b") is None
    assert pattern.write({"id": "x", "event": "y"}) == "devices/x/events/y"


def test_a_placeholder_may_stand_for_part_of_a_level() -> None:
    pattern = Pattern("site-{site}/{rest}")
    assert pattern.filter == "+/+" and pattern.read("site-7/a") == {"site": "7", "rest": "a"}
    assert pattern.read("other/a") is None


def test_a_pattern_may_end_in_anything() -> None:
    pattern = Pattern("rt/in/#")
    assert pattern.read("rt/in") == pattern.read("rt/in/a/b") == {}
    assert pattern.read("rt/inn") is None


@pytest.mark.parametrize("bad", ["a/{B}", "a/{", "a/+", "#/a", "a#", "{x}/{x}"])
def test_a_pattern_that_makes_no_sense_is_refused(bad: str) -> None:
    with pytest.raises(PatternError):
        Pattern(bad)


def test_filters_that_others_cover_are_left_out() -> None:
    assert covers("a/#", "a/+/b") and covers("+/b", "a/b") and covers("#", "#")
    assert not covers("a/+", "a/#") and not covers("a/b", "a/+") and not covers("a/+", "a/b/c")
    assert widest(["a/+", "a/b", "c/#", "c/+/d", "a/+"]) == ["a/+", "c/#"]
