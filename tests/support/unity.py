"""The Unity package without Unity: compiled by mono's mcs against the stub of tests/unity, each test run by itself."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.mqtt_client import MqttClient
from tests.support.proxy import Proxy
from tests.support.scripted_server import NONSENSE, ScriptedServer
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.tools import find, need
from tests.support.waiting import eventually

PACKAGE = ROOT / "clients" / "unity"
TESTS = ROOT / "tests" / "unity"
PAGE = ROOT / "docs" / "unity.md"
NUNIT = "/usr/lib/cli/nunit.framework-*/nunit.framework.dll"
LANGUAGE = "-langversion:7.2"  # mcs has no 7.3; what compiles as 7.2 does as 7.3
TEST_S = 180.0
PASSED = "= passed\n"


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.cs"))


def names() -> list[str]:
    """Every C# test, as "Class.Method"."""
    return [
        f"{path.stem}.{method}"
        for path in sources(TESTS, PACKAGE / "Tests")
        for method in re.findall(r"\[Test\]\s+public void (\w+)\(\)", path.read_text())
    ]


def compile_(output: Path, files: list[Path], *references: Path, options: tuple[str, ...] = ()) -> Path:
    """A library, or a program where the name ends so. Warnings are errors."""
    kind = "exe" if output.suffix == ".exe" else "library"
    strict = [LANGUAGE, "-debug", "-warn:4", "-warnaserror", *options]
    command = [need("mcs"), *strict, f"-target:{kind}", f"-out:{output}", *(f"-r:{one}" for one in references)]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return output


def scripts_of_the_page(folder: Path) -> list[Path]:
    """The scripts of docs/unity.md, each in a file as its reader would have it."""
    blocks = re.findall(r"```csharp\n(.*?)```", PAGE.read_text(), re.DOTALL)
    files = []
    for block in blocks:
        (name,) = re.findall(r"public class (\w+)", block)
        files.append(folder / f"{name}.cs")
        files[-1].write_text(block)
    return files


class Build:
    """Everything compiled once: the package as Unity would, for the editor and for WebGL too, and its tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        nunit = folder / "nunit.framework.dll"
        nunit.write_bytes(find(NUNIT, "libnunit-cil-dev").read_bytes())
        stub = TESTS / "stub"
        engine = compile_(folder / "UnityEngine.dll", sources(stub / "UnityEngine"))
        ui = compile_(folder / "UnityEngine.UI.dll", sources(stub / "UnityEngine.UI"), engine)
        editor = compile_(folder / "UnityEditor.dll", sources(stub / "UnityEditor"))
        documented = (f"-doc:{folder / 'RtService.xml'}",)  # a public name without a word is an error then
        runtime = compile_(folder / "RtService.dll", sources(PACKAGE / "Runtime"), engine, options=documented)
        samples = compile_(folder / "RtService.Samples.dll", sources(PACKAGE / "Samples~"), engine, ui, runtime)
        inside = compile_(folder / "RtService.Editor.dll", sources(PACKAGE / "Editor"), engine, editor, runtime)
        own = [path for path in sources(TESTS) if "stub" not in path.parts]
        tests = own + sources(PACKAGE / "Tests") + scripts_of_the_page(folder)
        libraries = (engine, ui, editor, runtime, samples, inside, nunit)
        self.tests = compile_(folder / "RtService.Tests.exe", tests, *libraries)
        compile_(
            folder / "WebGl.dll", sources(PACKAGE / "Runtime"), engine, options=(*documented, "-define:UNITY_WEBGL")
        )

    def run(self, test: str, shared: Service) -> None:
        """Raises AssertionError with what the test said, unless it said last that it passed."""
        command = [need("mono"), "--debug", str(self.tests), test]
        pipe = subprocess.PIPE  # in a folder of its own: where mono crashes as it exits, it leaves a report
        with Host(shared) as host, subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        ) as process:  # fmt: skip
            killer = threading.Timer(TEST_S, process.kill)
            killer.start()
            assert process.stdout is not None and process.stdin is not None
            said, line = [], ""
            for line in process.stdout:
                if line == PASSED:
                    break
                if line.startswith("@"):
                    process.stdin.write(json.dumps(host.answer(json.loads(line[1:]))) + "\n")
                    process.stdin.flush()
                else:
                    said.append(line)
            killer.cancel()
            process.kill()
        print("".join(said))
        assert line == PASSED, f"{test}\n" + "".join(said)


class Host:
    """What a C# test asks for: services, a network that breaks, devices. It ends with the test."""

    def __init__(self, shared: Service) -> None:
        self._shared = shared
        self._own: Service | None = None
        self._proxy: Proxy | None = None
        self._scripted: ScriptedServer | None = None
        self._ends = ExitStack()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._ends.__exit__(*exc)

    def answer(self, asked: dict[str, Any]) -> Any:
        return getattr(self, f"ask_{asked['ask']}")(asked["with"])

    @property
    def own(self) -> Service:
        assert self._own is not None
        return self._own

    @property
    def proxy(self) -> Proxy:
        assert self._proxy is not None
        return self._proxy

    def ask_service(self, _: None) -> str:
        return self._shared.http

    def ask_mqtt_publish(self, what: dict[str, Any]) -> None:
        with MqttClient(self._shared.mqtt) as device:
            device.publish(what["topic"], json.dumps(what["payload"]))

    def ask_vectors(self, name: str) -> str:
        return str(ROOT / "tests" / "vectors" / f"{name}.json")

    def ask_own_service(self, settings: list[str]) -> str:
        options = [word for setting in settings for word in ("--set", setting)]
        self._own = self._ends.enter_context(Service(*options))
        return self._own.http

    def ask_metric(self, what: str) -> float:
        """Of one code: "name code"."""
        name, code = what.split()
        return self.own.metric(name, code=code)

    def ask_own(self, _: None) -> str:
        return self.own.http

    def ask_simulated(self, _: None) -> str:
        """A service of this test alone with simulated devices, of which pump-1 answers."""
        self._own = self._ends.enter_context(Service("--simulate", "3"))
        with SocketIoClient(self.own.http, "/iot") as page:
            eventually(lambda: page.ask("call", {"to": "device:pump-1", "method": "set", "data": {"c": 20}})["ok"])
        return self._own.http

    def ask_stop(self, _: None) -> int:
        return self.own.stop()

    def ask_kill(self, _: None) -> None:
        self.own.kill()

    def ask_start(self, _: None) -> None:
        self.own.restart()

    def ask_proxy(self, _: None) -> str:
        self._proxy = self._ends.enter_context(Proxy(self.own.port))
        return f"http://127.0.0.1:{self._proxy.port}"

    def ask_cut(self, _: None) -> None:
        self.proxy.cut()

    def ask_lose(self, _: None) -> None:
        self.proxy.lose()

    def ask_mend(self, _: None) -> None:
        self.proxy.mend()

    def ask_scripted(self, script: str) -> str:
        self._scripted = self._ends.enter_context(ScriptedServer(script))
        return self._scripted.url

    def ask_nonsense(self, _: None) -> int:
        """How many kinds of it there are."""
        return len(NONSENSE)

    def ask_heard(self, _: None) -> list[str]:
        """The texts that the scripted server got."""
        assert self._scripted is not None
        return self._scripted.heard
