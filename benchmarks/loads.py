"""The loads, and what is read from each: one call of rtload per load, server and round."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.servers import LOAD_CORE, OURS, Peer, Running, build

JOIN = ["--join", '42/chat,0["join",{"room":"r"}]', "--join-expect", '43/chat,0[{"ok":true']
PUBLISH = ["--msg", '42/chat,["publish",{"room":"r","event":"m","data":"%TS%%PAD%"}]']
PING = ["--msg", '42/chat,%SEQ%["ping",{}]']

Result = dict[str, Any]


class Figure(NamedTuple):
    """One line of the table. `goal` is a ratio to `against`: at least, or at most where less is better."""

    title: str
    of: Callable[[Result], float]
    unit: str
    goal: float | None = None
    against: str = "node"
    less_is_better: bool = False
    absolute: bool = False  # the goal is the figure itself, no ratio


class Load(NamedTuple):
    name: str
    clients: int
    arguments: list[str]
    figures: list[Figure]


def ops(result: Result) -> float:
    return float(result["ops"])


def fan_out(clients: int, window: int, *figures: Figure) -> Load:
    arguments = ["--mode", "fanout", *JOIN, *PUBLISH, "--window", str(window)]
    title = f"deliveries/s, {clients:,} in the room, window {window}"
    named = [figure._replace(title=title) for figure in figures or (Figure("", ops, "/s"),)]
    return Load(f"fanout-{clients}-{window}", clients, arguments, named)


def echo(clients: int) -> Load:
    figure = Figure(f"acked round trips/s, {clients:,} clients", ops, "/s", 1.3)
    return Load(f"echo-{clients}", clients, ["--mode", "echo", *PING], [figure])


def steady(clients: int) -> Load:
    arguments = ["--mode", "fanout", *JOIN, *PUBLISH, "--rate", "100"]
    what = f"100 publishes/s to {clients:,}"
    return Load(
        f"steady-{clients}",
        clients,
        arguments,
        [
            Figure(f"p50, {what}", lambda r: r["p50"] / 1000, "ms", less_is_better=True),
            Figure(f"p99, {what}", lambda r: r["p99"] / 1000, "ms", 0.6, less_is_better=True),
            Figure(f"CPU of the server, {what}", lambda r: r["srv_cpu"] * 100, "%", less_is_better=True),
        ],
    )


def idle(clients: int) -> Load:
    return Load(
        f"idle-{clients}",
        clients,
        ["--mode", "idle", *JOIN, "--connect-timeout", "60"],
        [
            Figure("connects/s", lambda r: r["conn_s"], "/s", 1.3),
            Figure(
                f"memory per idle connection in one room, {clients:,}",
                lambda r: r["kib_per_conn"],
                "KiB",
                10,
                less_is_better=True,
                absolute=True,
            ),
        ],
    )


TO_NODE = Figure("", ops, "/s", 20)
LOADS = [
    fan_out(1000, 1, Figure("", ops, "/s", 1.2)),
    fan_out(1000, 4),
    fan_out(1000, 32, TO_NODE, Figure("", ops, "/s", 0.5, against="c")),
    fan_out(1000, 256),
    fan_out(100, 32, Figure("", ops, "/s", 15)),
    Load(
        "publish-10",
        10,
        ["--mode", "fanout", *JOIN, *PUBLISH, "--window", "32"],
        [Figure("publishes/s into a room of 10, window 32", lambda r: r["sent"], "/s", 3)],
    ),
    echo(100),
    echo(1000),
    steady(200),
    steady(1000),
    idle(10_000),
]


def faults(result: Result) -> int:
    """What must not happen: messages lost, repeated, out of order; connections ended; frames that are none."""
    return int(sum(result[name] for name in ("lost", "undelivered", "dup", "reordered", "closed", "proto_err")))


def run(load: Load, peer: Peer, server: Running, seconds: float) -> Result:
    """One measurement. Raises RuntimeError when the clients could not do their work."""
    clients = min(load.clients, peer.most)
    command = ["taskset", "-c", str(LOAD_CORE), str(build("rtload")), "--quiet", "--ns", "/chat", "-n", str(clients)]
    command += ["--port", str(server.port), "--server-pid", str(server.pid), "--duration", str(seconds)]
    command += ["--drain", "10"]  # seconds for what is late
    done = subprocess.run([*command, *load.arguments], capture_output=True, text=True, timeout=180)
    if not done.stdout.startswith("{"):
        raise RuntimeError(f"{peer.title}, {load.name}: {done.stderr.strip()[-300:]}")
    result: Result = json.loads(done.stdout)
    result["clients"] = clients
    return result


def met(figure: Figure, values: dict[str, float]) -> bool | None:
    """Whether the goal is met; None where there is none, or nothing to compare with."""
    ours = values.get(OURS.name)
    base = 1.0 if figure.absolute else values.get(figure.against)
    if figure.goal is None or ours is None or not base:
        return None
    return ours <= figure.goal * base if figure.less_is_better else ours >= figure.goal * base
