"""What members of a room see, through the verbs, without a socket."""

from __future__ import annotations

from rt_service.core.hub import HubBounds
from rt_service.core.stream import StreamBounds
from tests.support.core import Core


def test_every_member_sees_a_publication_once_the_sender_too() -> None:
    core = Core()
    alice, bob, outside = core.client("alice"), core.client("bob"), core.client("eve")
    alice.ok("join", room="lobby"), bob.ok("join", room="lobby")
    answer = alice.ok("publish", room="lobby", event="say", data={"text": "hi"})
    (seen,) = bob.publications
    assert seen == {
        "room": "lobby", "event": "say", "data": {"text": "hi"}, "from": {"kind": "user", "id": "alice"},
        "id": answer["id"], "offset": 1, "at": core.clock.ms(),
    }  # fmt: skip
    assert alice.publications == [seen] and outside.publications == []


def test_namespaces_do_not_share_rooms() -> None:
    core = Core()
    chat, iot = core.client(namespace="/chat"), core.client(namespace="/iot")
    chat.ok("join", room="lobby"), iot.ok("join", room="lobby")
    chat.ok("publish", room="lobby", event="say", data=1)
    assert iot.publications == []


def test_who_left_sees_no_more() -> None:
    core = Core()
    alice, bob = core.client(), core.client()
    alice.ok("join", room="lobby"), bob.ok("join", room="lobby")
    bob.ok("leave", room="lobby")
    alice.ok("publish", room="lobby", event="say", data=1)
    assert bob.publications == []
    assert bob.refused("leave", room="lobby") == "not_member"


def test_a_closed_session_is_in_no_room() -> None:
    core = Core()
    alice, bob = core.client("alice"), core.client("bob")
    alice.ok("join", room="lobby"), bob.ok("join", room="lobby")
    core.api.disconnect(bob.session)
    assert [m["id"] for m in alice.ok("presence", room="lobby")["members"]] == ["alice"]
    assert alice.pushes[-1] == {
        "push": "presence", "room": "lobby", "action": "leave",
        "member": {"kind": "user", "id": "bob", "info": None, "sessions": 0},
    }  # fmt: skip


def test_publishing_needs_membership() -> None:
    assert Core().client().refused("publish", room="lobby", event="say", data=1) == "not_member"


def test_a_late_joiner_is_told_the_newest_value_of_each_key() -> None:
    core = Core()
    alice = core.client()
    alice.ok("join", room="lobby")
    for n in range(3):
        alice.ok("publish", room="lobby", event="move", data=n, **{"class": "latest"}, key="alice")
    answer = core.client().ok("join", room="lobby")
    assert [(p["data"], p["key"], p["offset"]) for p in answer["latest"]] == [(2, "alice", None)]
    assert answer["publications"] == [] and answer["offset"] == 0


def test_a_latest_publication_without_a_key_has_its_event_for_one() -> None:
    core = Core()
    alice = core.client()
    alice.ok("join", room="lobby")
    alice.ok("publish", room="lobby", event="move", data=1, **{"class": "latest"})
    assert alice.publications[0]["key"] == "move"


def test_a_volatile_publication_has_no_offset_and_no_history() -> None:
    core = Core()
    alice = core.client()
    alice.ok("join", room="lobby")
    answer = alice.ok("publish", room="lobby", event="move", data=1, **{"class": "volatile"})
    assert answer["offset"] is None and answer["epoch"]
    assert alice.data() == [1] and alice.ok("history", room="lobby")["publications"] == []


def test_a_repeated_publish_is_answered_alike_and_seen_once() -> None:
    core = Core()
    alice = core.client("alice")
    alice.ok("join", room="lobby")
    first = alice.ok("publish", room="lobby", event="say", data=1, id="mine")
    assert alice.ok("publish", room="lobby", event="say", data=1, id="mine") == first
    assert alice.data() == [1]
    assert core.count(core.metrics.repeated, namespace="/chat") == 1


def test_the_history_is_paged() -> None:
    core = Core()
    alice = core.client()
    alice.ok("join", room="lobby")
    for n in range(5):
        alice.ok("publish", room="lobby", event="say", data=n)
    page = alice.ok("history", room="lobby", limit=2)
    assert ([p["data"] for p in page["publications"]], page["more"], page["offset"]) == ([0, 1], True, 5)
    since = {"epoch": page["epoch"], "offset": 2}
    assert [p["data"] for p in alice.ok("history", room="lobby", since=since)["publications"]] == [2, 3, 4]
    newest = alice.ok("history", room="lobby", limit=2, reverse=True)
    assert [p["data"] for p in newest["publications"]] == [4, 3]


def test_two_sessions_of_one_user_are_one_member() -> None:
    core = Core()
    alice, tab, bob = core.client("alice", info={"n": 1}), core.client("alice", info={"n": 1}), core.client("bob")
    for client in (alice, tab, bob):
        client.ok("join", room="lobby")
    members = bob.ok("presence", room="lobby")["members"]
    assert members[0] == {"kind": "user", "id": "alice", "info": {"n": 1}, "sessions": 2}
    core.api.disconnect(tab.session)
    assert [push["action"] for push in bob.pushes] == []
    core.api.disconnect(alice.session)
    assert [push["action"] for push in bob.pushes] == ["leave"]


def test_a_joiner_is_announced_to_the_others_and_listed_to_itself() -> None:
    core = Core()
    alice, bob = core.client("alice"), core.client("bob")
    assert [m["id"] for m in alice.ok("join", room="lobby")["members"]] == ["alice"]
    assert [m["id"] for m in bob.ok("join", room="lobby")["members"]] == ["alice", "bob"]
    assert [(p["action"], p["member"]["id"]) for p in alice.pushes] == [("join", "bob")]
    assert bob.pushes == []


def test_presence_of_a_full_room_is_asked_for_and_not_pushed() -> None:
    core = Core(hub_bounds=HubBounds(presence_members=2))
    clients = [core.client(f"u{n}") for n in range(4)]
    answers = [client.ok("join", room="lobby") for client in clients]
    assert [len(answer["members"]) for answer in answers] == [1, 2, 2, 2]
    assert len(clients[0].pushes) == 1
    assert len(clients[0].ok("presence", room="lobby")["members"]) == 4
    assert core.count(core.metrics.presence_not_pushed) == 2


def test_many_rooms_are_told_page_by_page() -> None:
    alice = Core().client()
    for name in ("d", "b", "a", "c"):
        alice.ok("join", room=name)
    first = alice.ok("rooms", limit=3)
    assert [room["room"] for room in first["rooms"]] == ["a", "b", "c"] and first["more"]
    last = alice.ok("rooms", limit=3, after="c")
    assert [room["room"] for room in last["rooms"]] == ["d"] and not last["more"]
    assert not alice.ok("rooms", limit=4)["more"]
    assert alice.refused("rooms", limit=1001) == "bad_request"


def test_rooms_exist_while_they_have_members_or_history() -> None:
    core = Core()
    alice = core.client()
    for room in ("a1", "a2", "b"):
        alice.ok("join", room=room)
    alice.ok("publish", room="a1", event="say", data=1)
    assert alice.ok("rooms", prefix="a")["rooms"] == [{"room": "a1", "members": 1}, {"room": "a2", "members": 1}]
    for room in ("a1", "a2", "b"):
        alice.ok("leave", room=room)
    assert alice.ok("rooms")["rooms"] == [{"room": "a1", "members": 0}]


def test_what_is_sent_to_a_user_reaches_every_session_of_that_user_and_nobody_else() -> None:
    core = Core()
    alice, tab, bob, elsewhere = (
        core.client("alice"), core.client("alice"), core.client("bob"), core.client("alice", namespace="/game"),
    )  # fmt: skip
    assert bob.ok("send", to="user:alice", event="dm", data="psst")["delivered"] == 2
    assert alice.data() == tab.data() == ["psst"]
    assert (alice.publications[0]["room"], alice.publications[0]["from"]["id"]) == (None, "bob")
    assert bob.publications == elsewhere.publications == []


def test_sending_to_somebody_who_is_not_there_says_so() -> None:
    core = Core()
    assert core.client().refused("send", to="user:nobody", event="dm", data=1) == "not_online"
    assert core.client().refused("send", to="device:nobody", event="dm", data=1) == "not_online"


def test_history_is_bounded_and_who_was_away_too_long_is_told() -> None:
    core = Core(stream_bounds=StreamBounds(publications=3))
    alice = core.client()
    start = alice.ok("join", room="lobby")
    for n in range(4):
        alice.ok("publish", room="lobby", event="say", data=n)
    since = {"epoch": start["epoch"], "offset": 0}
    answer = core.client().ok("join", room="lobby", since=since)
    assert (answer["recovered"], answer["publications"], answer["offset"]) == (False, [], 4)
    since["offset"] = 1
    answer = core.client().ok("join", room="lobby", since=since)
    assert (answer["recovered"], [p["data"] for p in answer["publications"]]) == (True, [1, 2, 3])
