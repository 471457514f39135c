"""Concurrency as the service has it, in a process of its own: patching is for a whole process."""

from __future__ import annotations

import subprocess
import sys

LOOKS_UP_A_NAME = """
import _thread, socket

looked = _thread.allocate_lock()
looked.acquire()
system = socket.getaddrinfo

def slow(host, *args, **more):
    assert host == "broker.local", host
    if not looked.acquire(timeout=20):
        raise socket.gaierror("nothing else ran meanwhile")
    return system("127.0.0.1", *args, **more)

socket.getaddrinfo = slow
from rt_service import runtime
runtime.patch()
listener = socket.create_server(("127.0.0.1", 0))
runtime.after(0, looked.release)
with socket.create_connection(("broker.local", listener.getsockname()[1]), timeout=30) as client:
    print(client.getpeername()[0])
"""


def test_a_name_is_looked_up_as_the_system_does_it_and_others_run_meanwhile() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKS_UP_A_NAME], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("127.0.0.1\n", "")


ENDS_MEANWHILE = """
import _thread, socket

never = _thread.allocate_lock()
never.acquire()
socket.getaddrinfo = lambda *args, **more: never.acquire()
from rt_service import runtime
runtime.patch()
runtime.spawn(socket.create_connection, ("broker.local", 1883))
runtime.start_threads()
runtime.sleep(0)
"""


def test_a_name_that_nobody_knows_holds_up_no_end() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS_MEANWHILE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_that_cannot_be_looked_up_says_why() -> None:
    script = "from rt_service import runtime; runtime.patch(); import socket; socket.create_connection(('x' * 64, 1))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "label" in done.stderr.splitlines()[-1] and done.returncode == 1
