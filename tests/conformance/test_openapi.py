"""The HTTP API does what /openapi.json says, whatever is asked: Schemathesis makes requests up from the document."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rt_service.gateways.operations import OPERATIONS
from tests.support.mqtt_client import MqttClient
from tests.support.service import Service
from tests.support.tools import need_package

CONFIG = Path(__file__).with_name("schemathesis.toml")
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "positive_data_acceptance", "unsupported_method", "allow_header_conformance",
)  # fmt: skip
EXAMPLES = 100  # requests of each operation; with those that cover the document's bounds about two thousand in all
UNLIMITED = ("--set", "limits.publishes_per_s=1e6", "--set", "limits.publish_burst=1000000")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """With the device of the examples, which answers calls, and without limits that would refuse nearly everything."""
    with Service(*UNLIMITED) as running, MqttClient(running.mqtt, "greenhouse-1") as device:
        device.client.on_message = answer
        device.subscribe("devices/greenhouse-1/calls/#")
        device.publish("devices/greenhouse-1/telemetry", {"c": 21.5})
        device.publish("devices/greenhouse-1/telemetry", b"a dead letter")
        yield running


def answer(client: Any, userdata: Any, message: Any) -> None:
    """Whatever is asked is the answer."""
    call = message.topic.split("/")[3]
    client.publish(f"devices/greenhouse-1/replies/{call}", message.payload, 1)


def test_every_answer_is_one_that_the_document_names(service: Service, tmp_path: Path) -> None:
    need_package("schemathesis")
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    options = [
        "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
        "--seed", "20260101", "--generation-database", "none", "--suppress-health-check", "all",
        "--exclude-operation-id", "stream", "--warnings", "off", "--continue-on-failure", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(
        [*program, f"{service.http}/openapi.json", *options], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert f"Tested: {len(OPERATIONS) - 1}" in done.stdout, done.stdout
    assert not service.events("internal_error")
