"""The process: how it starts, what it says when it cannot, and how it stops."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.mqtt_client import MqttClient
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=30, env={**os.environ, **environment}
    )


def test_it_says_where_everything_is_and_how_to_stop() -> None:
    with Service() as service:
        text = service.log
        for part in (service.http, service.mqtt, "embedded broker", "memory", "open", "Ctrl-C"):
            assert part in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_exit_code_0(number: signal.Signals) -> None:
    with Service() as service:
        assert service.stop(number) == 0


def test_sessions_are_told_that_it_stops_and_asked_to_come_back() -> None:
    with Service("--set", "server.drain_s=60") as service:  # longer than `stop` waits: there is nobody to wait for
        clients = [SocketIoClient(service.http, transport=t) for t in ("websocket", "websocket", "polling")]
        for client in clients:
            client.ok("join", room="lobby")
        assert service.stop() == 0
        for client in clients:
            (closing,) = eventually(lambda client=client: client.pushed("closing"))  # type: ignore[misc]
            assert (closing["code"], closing["reconnect"]) == ("shutdown", True) and closing["retry_after_ms"] > 0


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for flags, name in (
            (("--port", port, "--mqtt-port", "0"), "server.port"),
            (("--port", "0", "--mqtt-port", port), "mqtt.port"),
        ):
            done = run(*flags, "--data-dir", str(tmp_path))
            assert done.returncode == 2 and done.stdout == ""
            assert (
                done.stderr.count("\n") == 1 and name in done.stderr and port in done.stderr and "in use" in done.stderr
            )


def test_a_misspelt_variable_is_said_in_one_line() -> None:
    done = run(RT_SERVER__PROT="1")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "did you mean RT_SERVER__PORT" in done.stderr


def test_a_ready_file_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    ready = str(tmp_path / "none" / "ready.json")
    done = run("--port", "0", "--mqtt-port", "0", "--data-dir", str(tmp_path), "--ready-file", ready)
    assert done.returncode == 2 and "ready-file" in done.stderr


def test_simulated_devices_bring_life_and_end_with_the_service() -> None:
    with Service("--simulate", "2") as service:
        with SocketIoClient(service.http, "/iot") as page:
            page.ok("join", room="device:pump-1")
            seen = page.sees("telemetry")
            assert {"c", "humidity", "light"} <= set(seen["data"])
            assert page.ok("call", to="device:pump-1", method="ping", data=5)["data"] == {"pong": 5}
            page.ok("publish", room="device:pump-1", event="say", data={"text": "hello"})
            assert "hello" in page.sees("said")["data"]["text"]
        children = f"/proc/{service.process.pid}/task/{service.process.pid}/children" if service.process else ""
        pids = Path(children).read_text().split()
        assert pids and service.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_simulated_devices_end_when_the_service_is_killed() -> None:
    service = Service("--simulate", "1")
    service.start()
    assert service.process is not None
    pids = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    service.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_simulated_devices_that_stand_still_do_not_keep_it_from_stopping() -> None:
    with Service("--simulate", "1") as service:
        eventually(lambda: [device["online"] for device in service.get("/api/v1/devices")[1]["devices"]] == [True])
        (simulator,) = service.children
        os.kill(simulator, signal.SIGSTOP)
        assert service.stop() == 0
        assert not Path(f"/proc/{simulator}").exists()


def test_a_misspelt_verb_in_a_rule_is_said_in_one_line(tmp_path: Path) -> None:
    rule = '[{ namespaces = ["/chat"], roles = ["user"], verbs = ["jion"] }]'
    done = run("--port", "0", "--mqtt-port", "0", "--data-dir", str(tmp_path), "--set", f"auth.rules={rule}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "auth.rules, number 1: there is no verb 'jion'; there are join" in done.stderr


# -- commands that talk to a running service


def test_tail_prints_publications_as_they_come(service: Service) -> None:
    command = [sys.executable, "run.py", "tail", "/iot", "device:tail", "--url", service.http, "--count", "1"]
    tail = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert tail.stderr is not None and "in device:tail of /iot" in tail.stderr.readline()
    with MqttClient(service.mqtt) as device:
        device.publish("devices/tail/telemetry", {"c": 3})
    out, _ = tail.communicate(timeout=30)
    assert tail.returncode == 0 and '"c": 3' in out and out.count("\n") == 1


def test_publish_prints_the_position(service: Service) -> None:
    with SocketIoClient(service.http, "/chat") as client:
        client.ok("join", room="cli")
        done = run("publish", "/chat", "cli", "say", '{"text": "hi"}', "--url", service.http)
        assert done.returncode == 0 and '"offset": 1' in done.stdout
        client.sees("say", {"text": "hi"})


def test_dead_letters_are_shown(service: Service) -> None:
    with MqttClient(service.mqtt) as device:
        device.publish("rt/in/nonsense", b"what is this")
        device.publish("devices/esp-1/telemetry", b'\x1b[31m{"c": ' + b"9" * 200)
    done = run("dead-letters", "--url", service.http, COLUMNS="40")
    assert done.returncode == 0, done.stderr
    assert "  no_route  rt/in/nonsense: there is no route for this topic\n    what is this\n" in done.stdout
    assert "  invalid_data  devices/esp-1/telemetry: not JSON" in done.stdout
    assert re.search(r'^    \S\[31m\{"c": 9+…$', done.stdout, re.MULTILINE) and "\x1b" not in done.stdout
    done = run("dead-letters", "--url", service.http, "--json", "--limit", "1")
    assert json.loads(done.stdout)["topic"] == "devices/esp-1/telemetry"


@pytest.mark.parametrize("command", [["tail", "/iot", "x"], ["publish", "/iot", "x", "e", "1"], ["dead-letters"]])
def test_a_service_that_is_not_there_is_said_in_one_line(command: list[str]) -> None:
    done = run(*command, "--url", "http://127.0.0.1:9")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "nothing listens at http://127.0.0.1:9; is the service running?" in done.stderr


@pytest.mark.parametrize(
    ("namespace", "says"), [("iot", "did you mean /iot?"), ("/iott", "there is no namespace /iott")]
)
def test_a_wrong_namespace_is_named(service: Service, namespace: str, says: str) -> None:
    done = run("tail", namespace, "x", "--url", service.http)
    assert done.returncode == 1 and says in done.stderr and done.stderr.count("\n") == 1


def test_a_refused_command_says_why(service: Service) -> None:
    done = run("publish", "/chat", "a/b", "say", "1", "--url", service.http)
    assert done.returncode == 1 and "invalid_room" in done.stderr


def test_simulate_alone_says_when_there_is_no_broker() -> None:
    done = run("simulate", "--url", "mqtt://127.0.0.1:9")
    assert done.returncode == 1 and "cannot be reached" in done.stderr and done.stderr.count("\n") == 1


def test_explaining_a_topic_prints_what_it_becomes() -> None:
    done = run("routes", "explain", "devices/pump-1/telemetry")
    assert done.returncode == 0 and "room device:pump-1 of /iot" in done.stdout
