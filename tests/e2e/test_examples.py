"""What the documents show is run as it stands, but for the address."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import requests

from tests.support.mqtt_client import MqttClient
from tests.support.script import Script
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.tools import E2E, need_node_packages, need_web_packages
from tests.support.waiting import eventually

# What a test has to add to a client: its connection breaks, and comes back, when it is told so.
BREAKS = """
console.log("started");
process.stdin.on("data", (said) => {
  chat.io.reconnection(String(said) !== "cut\\n");
  if (String(said) === "cut\\n") chat.io.engine.close();
  else chat.connect();
});
"""


def example(document: str, language: str, contains: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    return next(block for block in blocks if contains in block)


def javascript(source: str, service: Service, folder: Path) -> Script:
    node = need_node_packages()
    # Imports are looked up from where a file stands, so it has to stand beside the packages.
    file = E2E / f".example-{folder.name}.mjs"
    file.write_text(source.replace("http://127.0.0.1:5000", service.http))
    script = Script([node, str(file)], folder)
    eventually(lambda: script.output)
    file.unlink()
    return script


def say(script: Script, line: str) -> None:
    assert script.process.stdin is not None
    script.process.stdin.write(line.encode() + b"\n")
    script.process.stdin.flush()


def test_the_readmes_browser_example_hears_the_device_and_is_answered(tmp_path: Path) -> None:
    with Service("--simulate", "3") as service:
        with SocketIoClient(service.http, "/iot") as page:  # the example calls once, so the device has to be there
            page.ok("join", room="device:pump-1")
            page.sees("telemetry")
        source = example("README.md", "js", "telemetry")
        with javascript(source, service, tmp_path) as script:
            eventually(lambda: "ok: true, data: { c: 24, was:" in script.output)
            eventually(lambda: re.search(r"pump-1 \{ c: [\d.]+", script.output))


def test_the_readmes_device_is_online_publishes_and_answers(service: Service, tmp_path: Path) -> None:
    source = example("README.md", "python", "Device").replace("mqtt://127.0.0.1:1883", service.mqtt)
    source = source.replace('"esp-1"', '"esp-readme"')  # the other pages' esp-1 may be here already
    with SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:esp-readme")
        with Script([sys.executable, "-c", source], tmp_path) as script:
            page.sees("telemetry", {"c": 21.5})
            eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online"])
            assert page.ok("call", to="device:esp-readme", method="set", data={"c": 24})["data"] == {"c": 24}
            error = page.ask("call", {"to": "device:esp-readme", "method": "set", "data": {}})["error"]
            assert error["code"] == "internal" and error["message"].endswith(
                "set failed on the device; its log says why"
            )
            assert page.refused("call", to="device:esp-readme", method="fly") == "not_found"
            assert script.process.stdin is not None
            script.process.stdin.write(b"\n")
            script.process.stdin.flush()
            assert script.process.wait(timeout=30) == 0
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online", "offline"])


def test_the_protocols_client_recovers_what_it_missed(tmp_path: Path) -> None:
    with Service() as service:
        source = example("docs/protocol.md", "js", "recovered")
        source += BREAKS
        with javascript(source, service, tmp_path) as script, SocketIoClient(service.http, "/chat") as page:
            page.ok("join", room="lobby")
            eventually(lambda: len(page.ok("presence", room="lobby")["members"]) == 2)
            page.ok("publish", room="lobby", event="say", data="before")
            eventually(lambda: "say before" in script.output)
            page.ok("publish", room="lobby", event="move", data="no offset", **{"class": "volatile"})
            say(script, "cut")
            eventually(lambda: len(page.ok("presence", room="lobby")["members"]) == 1)
            for n in range(3):
                page.ok("publish", room="lobby", event="say", data=f"missed {n}")
            say(script, "mend")
            eventually(lambda: "say missed 2" in script.output)
            page.ok("publish", room="lobby", event="say", data="after")
            eventually(lambda: "say after" in script.output)
            said = re.findall(r"say (.*)", script.output)
            assert said == ["before", "missed 0", "missed 1", "missed 2", "after"]


def test_the_protocols_python_client_is_heard_answers_and_comes_back(tmp_path: Path) -> None:
    with Service() as service:
        source = example("docs/protocol.md", "python", "rt_client").replace("http://127.0.0.1:5000", service.http)
        with Script([sys.executable, "-c", source], tmp_path) as script:
            eventually(lambda: "Enter" in script.output and "alice says {'text': 'hi'}" in script.output)
            assert "Receipt(id=" in script.output and "3" in script.output.partition("offset=1)")[2]
            with SocketIoClient(service.http, "/chat") as page:
                assert page.ok("call", to="user:alice", method="add", data={"a": 3, "b": 4})["data"] == 7
                assert page.refused("call", to="user:alice", method="add", data={"a": -1}) == "forbidden"
            service.kill()
            service.restart()
            with SocketIoClient(service.http, "/chat", "bob") as page:
                page.ok("join", room="lobby")
                page.ok("publish", room="lobby", event="say", data="after")
                eventually(lambda: "bob says after" in script.output)
            assert script.process.stdin is not None
            script.process.stdin.write(b"\n")
            script.process.stdin.flush()
            assert script.process.wait(timeout=30) == 0
            assert "too much" not in script.output and "Traceback" not in script.output


def test_the_python_clients_own_example_says_hi(service: Service, tmp_path: Path) -> None:
    source = example("clients/python/README.md", "python", "rt_client").replace("http://127.0.0.1:5000", service.http)
    with Script([sys.executable, "-c", source], tmp_path) as script:
        eventually(lambda: "alice says {'text': 'hi'}" in script.output)


def test_the_helpers_client_recovers_what_it_missed(tmp_path: Path) -> None:
    with Service() as service:
        source = example("docs/protocol.md", "js", "joinRoom").replace("./rooms.mjs", "../../rt_service/web/rooms.mjs")
        source += BREAKS
        with javascript(source, service, tmp_path) as script, SocketIoClient(service.http, "/chat") as page:
            page.ok("join", room="lobby")
            eventually(lambda: "alice say { text: 'hi' }" in script.output)
            say(script, "cut")
            eventually(lambda: len(page.ok("presence", room="lobby")["members"]) == 1)
            page.ok("publish", room="lobby", event="say", data="missed")
            say(script, "mend")
            eventually(lambda: "say missed" in script.output)
            assert "too much" not in script.output


def test_rt_clients_example_is_heard_answers_and_comes_back(tmp_path: Path) -> None:
    node = need_node_packages()
    need_web_packages()
    bundles = (ROOT / "clients" / "web" / "client" / "bundles.mjs").as_uri()
    folder = E2E / f".example-{tmp_path.name}"
    code = f'(await import("{bundles}")).bundles("{folder}", ["socket.io-client"])'
    subprocess.run([node, "--input-type=module", "-e", code], check=True)
    module = f'"./{folder.name}/rt-client.mjs"'
    try:
        with Service() as service:
            source = example("docs/protocol.md", "js", "onCall").replace('"@rt-service/client"', module)
            with javascript(source, service, tmp_path) as script:
                eventually(lambda: "alice says { text: 'hi' }" in script.output and "offset: 1\n}\n3" in script.output)
                with SocketIoClient(service.http, "/chat") as page:
                    assert page.ok("call", to="user:alice", method="add", data={"a": 3, "b": 4})["data"] == 7
                    assert page.refused("call", to="user:alice", method="add", data={"a": -1}) == "forbidden"
                service.kill()
                service.restart()
                with SocketIoClient(service.http, "/chat", "bob") as page:
                    page.ok("join", room="lobby")
                    page.ok("publish", room="lobby", event="say", data="after")
                    eventually(lambda: "bob says after" in script.output)
                states = re.findall(r"^(connecting|connected|reconnecting|closed)\b", script.output, re.MULTILINE)
                assert states[:3] == ["connecting", "connected", "reconnecting"] and states[-1] == "connected"
                assert "too much" not in script.output
    finally:
        shutil.rmtree(folder)


def publish(service: Service, text: str) -> None:
    url = f"{service.http}/api/v1/rooms/chat/lobby/publications"
    requests.post(url, json={"event": "say", "data": {"text": text}}, timeout=30).raise_for_status()


def local(source: str, service: Service) -> str:
    """An example for the service that the test runs."""
    return source.replace("http://127.0.0.1:5000", service.http).replace("127.0.0.1:5000", service.http[7:])


def said_until_seen(service: Service, script: Script, text: str) -> None:
    """Publish until the script shows it: when it has started to listen cannot be seen from outside."""

    def seen() -> bool:
        publish(service, text)
        return text in script.output

    eventually(seen)


def test_the_protocols_plain_websocket_client_asks_and_is_told(service: Service, tmp_path: Path) -> None:
    source = local(example("docs/protocol.md", "python", "/ws?user"), service)
    with Script([sys.executable, "-c", source], tmp_path) as script:
        assert script.process.wait(timeout=30) == 0, script.output
    assert "True\n" in script.output and "pushed publication say {'text': 'hi'}" in script.output
    assert re.search(r"position [1-9]", script.output)


def test_the_protocols_event_stream_is_read_with_curl(service: Service, tmp_path: Path) -> None:
    command = local(example("docs/protocol.md", "sh", "/stream"), service)
    with Script(["sh", "-c", "exec " + command], tmp_path) as script:
        said_until_seen(service, script, "over curl")
    assert "event: say" in script.output


def test_the_protocols_lines_are_read_with_fetch(service: Service, tmp_path: Path) -> None:
    with javascript(example("docs/protocol.md", "js", "x-ndjson"), service, tmp_path) as script:
        said_until_seen(service, script, "over fetch")
    assert re.search(r"from \w+:\d+", script.output)


def test_the_protocols_long_polling_hears_what_is_said(service: Service, tmp_path: Path) -> None:
    source = local(example("docs/protocol.md", "python", "wait=25"), service)
    with Script([sys.executable, "-c", source], tmp_path) as script:
        said_until_seen(service, script, "over polling")


def test_the_protocols_curl_publishes(service: Service, tmp_path: Path) -> None:
    command = local(example("docs/protocol.md", "sh", "-d '"), service).replace("localhost:5000", service.http)
    with Script(["sh", "-c", command], tmp_path) as script:
        assert script.process.wait(timeout=30) == 0
    assert re.search(r'"offset":\d+', script.output)


def test_mosquittos_commands_stand_in_the_readme_as_they_work(service: Service) -> None:
    topic, payload = re.findall(r"mosquitto_pub -t (\S+) -m '(.*?)'", (ROOT / "README.md").read_text())[0]
    with SocketIoClient(service.http, "/iot") as page, MqttClient(service.mqtt) as device:
        page.ok("join", room="device:esp-1")
        device.publish(topic, payload)
        page.sees("telemetry", {"c": 21.5})


def test_the_protocols_grpc_client_sees_what_is_said_and_recovers_what_it_missed(tmp_path: Path) -> None:
    with Service("--grpc-port", "0") as service:
        source = example("docs/protocol.md", "python", "grpc").replace("127.0.0.1:50051", service.grpc)
        command = [sys.executable, "-u", "-c", source]
        with Script(command, tmp_path) as script, SocketIoClient(service.http, "/chat") as page:
            eventually(lambda: "alice say {'text': 'hi'}" in script.output)
            page.ok("join", room="lobby")
            for child in service.children:
                os.kill(child, signal.SIGKILL)
            page.ok("publish", room="lobby", event="say", data="missed")
            eventually(lambda: "say missed" in script.output)
            assert "said at offset 1\n" in script.output and "again, after UNAVAILABLE" in script.output
            assert "too much" not in script.output
