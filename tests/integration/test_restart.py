"""What was acknowledged is there after the service was killed, and a file that cannot be used is named."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rt_service.mqtt.packets import Acknowledgement, Kind, Publish
from tests.support.binary import with_bytes
from tests.support.mqtt_client import MqttClient
from tests.support.raw_mqtt import RawMqtt
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually

PERSISTENT: dict[str, Any] = {"clean_start": False, "properties": {"session_expiry_interval": 300}}


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def killed(service: Service) -> None:
    service.kill()
    service.restart()


def test_what_was_published_is_recovered_after_a_kill(service: Service) -> None:
    with SocketIoClient(service.http) as client:
        start = client.ok("join", room="r")
        for n in range(50):
            client.ok("publish", room="r", event="say", data={"n": n, "bytes": b"\x00\xff"})
    killed(service)
    with SocketIoClient(service.http) as client:
        answer = client.ok("join", room="r", since={"epoch": start["epoch"], "offset": start["offset"]})
        assert answer["recovered"] and answer["offset"] == 50
        assert [with_bytes(p["data"]) for p in answer["publications"]] == [
            {"n": n, "bytes": b"\x00\xff"} for n in range(50)
        ]
        assert client.ok("publish", room="r", event="say", data=1)["offset"] == 51


def test_the_position_of_an_empty_room_survives(service: Service) -> None:
    with SocketIoClient(service.http) as client:
        start = client.ok("join", room="empty")
        client.ok("join", room="other")
        client.ok("publish", room="other", event="say", data=1)
    killed(service)
    with SocketIoClient(service.http) as client:
        since = {"epoch": start["epoch"], "offset": start["offset"]}
        assert client.ok("join", room="empty", since=since)["recovered"]


def test_the_newest_value_and_a_repeated_id_survive(service: Service) -> None:
    with SocketIoClient(service.http, "/iot", "alice") as client:
        client.ok("join", room="r")
        client.ok("publish", room="r", event="t", data=1, key="k", **{"class": "latest"})
        first = client.ok("publish", room="r", event="say", data=2, id="mine")
    killed(service)
    with SocketIoClient(service.http, "/iot", "alice") as client:
        answer = client.ok("join", room="r")
        assert [p["data"] for p in answer["latest"]] == [1] and answer["offset"] == 1
        assert client.ok("publish", room="r", event="say", data=2, id="mine") == first
        assert client.ok("history", room="r")["offset"] == 1


def test_a_namespace_in_memory_begins_again_and_says_so(service: Service) -> None:
    with SocketIoClient(service.http, "/game") as client:
        start = client.ok("join", room="r")
        client.ok("publish", room="r", event="say", data=1)
    killed(service)
    with SocketIoClient(service.http, "/game") as client:
        answer = client.ok("join", room="r", since={"epoch": start["epoch"], "offset": 0})
        assert answer["recovered"] is False and answer["offset"] == 0


def test_a_device_that_was_away_gets_what_was_queued_for_it(service: Service) -> None:
    with RawMqtt(service.mqtt) as device:
        device.connect("away", **PERSISTENT)
        device.subscribe("news/#", qos=1)
    with RawMqtt(service.mqtt) as sender:
        sender.connect("sender")
        for n in range(20):
            assert sender.publish("news/a", str(n).encode(), packet_id=n + 1) == 0
        sender.publish("kept/topic", b"value", retain=True)
    killed(service)
    with MqttClient(service.mqtt, "away", clean=False, expiry_s=300) as device:
        assert device.session_present
        eventually(lambda: device.payloads("news/a") == [str(n).encode() for n in range(20)])
        device.subscribe("kept/+")
        eventually(lambda: device.payloads("kept/topic") == [b"value"])


def test_a_qos_2_message_in_flight_is_sent_again_under_its_packet_id(service: Service) -> None:
    with RawMqtt(service.mqtt) as device, RawMqtt(service.mqtt) as sender:
        device.connect("exact", **PERSISTENT)
        device.subscribe("once", qos=2)
        sender.connect("sender")
        sender.publish("once", b"1", qos=2)
        sent = device.expect(Publish)
    killed(service)
    with RawMqtt(service.mqtt) as device:
        device.connect("exact", **PERSISTENT)
        again = device.expect(Publish)
        assert (again.packet_id, again.dup, again.payload) == (sent.packet_id, True, b"1")
        device.send(Acknowledgement(Kind.PUBREC, again.packet_id))
        assert device.expect(Acknowledgement).kind == Kind.PUBREL
    killed(service)
    with RawMqtt(service.mqtt) as device:
        device.connect("exact", **PERSISTENT)
        released = device.expect(Acknowledgement)
        assert (released.kind, released.packet_id) == (Kind.PUBREL, sent.packet_id)
        device.send(Acknowledgement(Kind.PUBCOMP, released.packet_id))
        assert device.nothing_waits()


def test_a_qos_2_message_between_devices_is_handed_on_once_although_it_is_sent_again(service: Service) -> None:
    with RawMqtt(service.mqtt) as reader, RawMqtt(service.mqtt) as sender:
        reader.connect("reader", **PERSISTENT)
        reader.subscribe("plain/topic", qos=1)
        reader.close()
        sender.connect("exact-sender", **PERSISTENT)
        sender.send(Publish("plain/topic", b"1", 2, packet_id=9))
        assert sender.expect(Acknowledgement).kind == Kind.PUBREC
    killed(service)
    with RawMqtt(service.mqtt) as sender:
        sender.connect("exact-sender", **PERSISTENT)
        sender.send(Publish("plain/topic", b"1", 2, packet_id=9, dup=True))
        assert sender.expect(Acknowledgement).kind == Kind.PUBREC
        sender.send(Acknowledgement(Kind.PUBREL, 9))
        assert sender.expect(Acknowledgement).kind == Kind.PUBCOMP
        sender.publish("plain/topic", b"2")
    with MqttClient(service.mqtt, "reader", clean=False, expiry_s=300) as reader_again:
        eventually(lambda: b"2" in reader_again.payloads("plain/topic"))
        assert reader_again.payloads("plain/topic") == [b"1", b"2"]


@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_that_a_device_sends_again_stands_in_the_room_once(service: Service, qos: int) -> None:
    message = Publish("devices/pump-1/events/count", b"1", qos, packet_id=7)
    with RawMqtt(service.mqtt) as device:
        device.connect("pump-1", **PERSISTENT)
        device.send(message)
        assert device.expect(Acknowledgement).reason in (0, 0x10)
    killed(service)
    with RawMqtt(service.mqtt) as device, SocketIoClient(service.http, "/iot") as page:
        device.connect("pump-1", **PERSISTENT)
        device.send(Publish(message.topic, message.payload, qos, packet_id=7, dup=True))
        assert device.expect(Acknowledgement).reason in (0, 0x10)
        assert page.ok("history", room="device:pump-1")["offset"] == 1


def test_a_disk_that_takes_no_more_refuses_and_is_written_to_again_later(service: Service) -> None:
    assert service.process is not None
    with SocketIoClient(service.http) as client:
        client.ok("join", room="r")
        client.ok("publish", room="r", event="say", data=0)
        unlimited = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        assert client.refused("publish", room="r", event="say", data="lost") == "unavailable"
        assert service.get("/readyz")[0] == 503
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, unlimited)
        eventually(lambda: client.ask("publish", {"room": "r", "event": "say", "data": 1})["ok"])
        eventually(lambda: service.get("/readyz")[0] == 200)
        kept = [p["data"] for p in client.ok("history", room="r")["publications"]]
        assert kept[0] == 0 and kept[-1] == 1 and "lost" not in kept


def refused(folder: Path, *more: str) -> str:
    """What a service says that does not start with this data."""
    command = [sys.executable, "run.py", *(more or ("--port", "0", "--mqtt-port", "0")), "--data-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip()


def test_a_second_service_on_the_same_data_is_refused(service: Service) -> None:
    said = refused(service.data)
    assert "another rt-service uses it" in said and "\n" not in said


def test_data_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "rt.sqlite3") as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    before = (tmp_path / "rt.sqlite3").read_bytes()
    assert "newer rt-service" in refused(tmp_path)
    assert (tmp_path / "rt.sqlite3").read_bytes() == before


def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "rt.sqlite3").write_bytes(b"this is my diary" * 1000)
    assert "it is no database" in refused(tmp_path)
    assert (tmp_path / "rt.sqlite3").read_bytes().startswith(b"this is my diary")


def test_a_file_that_is_damaged_is_named_with_what_saves_the_rest() -> None:
    with Service() as service:
        with SocketIoClient(service.http) as client:
            client.ok("join", room="damaged")
            client.ok("publish", room="damaged", event="e", data="x")
        service.stop()
        file = service.data / "rt.sqlite3"
        whole = file.read_bytes()
        with sqlite3.connect(file) as looked:
            pages = dict(looked.execute("SELECT name, rootpage FROM sqlite_master").fetchall())
        for names in (("kept",), [name for name in pages if "room" in name]):  # read when it starts; and before
            damaged = bytearray(whole)
            for name in names:
                damaged[(pages[name] - 1) * 4096 : pages[name] * 4096] = bytes([255]) * 4096
            file.write_bytes(damaged)
            said = refused(service.data)
            assert "it is damaged; `python run.py check-data --repair` saves" in said and "\n" not in said


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file" in refused(tmp_path / "file" / "data")


def check_data(folder: Path, *more: str) -> tuple[int, str]:
    command = [sys.executable, "run.py", "check-data", "--data-dir", str(folder), *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def test_check_data_finds_damage_and_repair_saves_the_rest() -> None:
    with Service() as service:
        with SocketIoClient(service.http) as client:
            client.ok("join", room="r")
            for n in range(400):
                client.ok("publish", room="r", event="say", data={"n": n, "pad": "x" * 1000})
        assert check_data(service.data)[0] == 2  # it is in use
        service.stop()
        code, said = check_data(service.data)
        assert code == 0 and "publication  400 rows" in said and "sound" in said
        file = service.data / "rt.sqlite3"
        whole = bytearray(file.read_bytes())
        middle = len(whole) // 2 // 4096 * 4096
        whole[middle : middle + 8192] = b"\xff" * 8192
        file.write_bytes(whole)
        code, said = check_data(service.data)
        assert code == 1 and "damaged" in said
        code, said = check_data(service.data, "--repair")
        assert code == 0 and "the damaged file is" in said, said
        assert check_data(service.data)[0] == 0
        service.restart()
        with SocketIoClient(service.http) as client:
            kept = client.ok("history", room="r", limit=1000)
            assert kept["offset"] == 400 and 0 < len(kept["publications"]) < 400
            client.ok("join", room="r")
            assert client.ok("publish", room="r", event="say", data=1)["offset"] == 401


def test_dead_letters_and_twins_survive(service: Service) -> None:
    with SocketIoClient(service.http, "/iot") as page, MqttClient(service.mqtt) as device:
        device.publish("devices/pump-1/telemetry", b"no JSON")
        page.ok("twin.update", device="pump-1", desired={"c": 20})
        eventually(lambda: service.get("/api/v1/dead-letters")[1]["dead_letters"])
    killed(service)
    assert service.get("/api/v1/dead-letters")[1]["dead_letters"][0]["reason"] == "invalid_data"
    with SocketIoClient(service.http, "/iot") as page:
        assert page.ok("twin", device="pump-1")["desired"] == {"c": 20}


def test_a_device_that_was_online_still_is_after_a_restart_if_it_comes_back(service: Service) -> None:
    with MqttClient(service.mqtt) as device:
        device.publish("devices/lamp/status", b"online", retain=True)
        eventually(lambda: [d["online"] for d in service.get("/api/v1/devices")[1]["devices"]] == [True])
    before = [known | {"seen": None} for known in service.get("/api/v1/devices")[1]["devices"]]  # that is forgotten
    killed(service)
    assert service.get("/api/v1/devices")[1]["devices"] == before
    with SocketIoClient(service.http, "/iot") as page:
        members = page.ok("join", room="device:lamp")["members"]
        assert {"kind": "device", "id": "lamp", "info": {"since": before[0]["since"]}, "sessions": 1} in members
