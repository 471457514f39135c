"""Passwords that are guessed, from an address of one's own for each of them."""

from __future__ import annotations

import json

from tests.hostile.siege import Siege
from tests.support.raw_http import RawHttp, said

SETTINGS = ("accounts.enabled=true", "accounts.attempts_per_address=5", 'server.proxies=["127.0.0.1"]')
MORE = {"with_tokens": True}


def test_a_client_with_all_addresses_of_its_network_tries_passwords_no_faster(siege: Siege) -> None:
    with siege.attack('rt_logins_total{outcome="too_many"}') as service, RawHttp(service) as client:
        statuses = []
        for n in range(15):
            body = json.dumps({"name": f"alice-{n}", "password": "a guess of mine"}).encode()
            headers = (
                "Content-Type: application/json",
                f"X-Forwarded-For: 2001:db8::{n:x}",
                f"Content-Length: {len(body)}",
            )
            statuses.append(client.send(said("POST", "/api/v1/tokens", *headers, body=body)).reply().status)
        assert statuses[:5] == [401] * 5 and statuses.count(429) >= 5
