from __future__ import annotations

import pytest

from rt_service.gateways import addresses
from rt_service.gateways.addresses import Addresses, Crowded, Networks, counted
from tests.support.clock import ManualClock


def crowded(table: Addresses, address: str) -> str:
    with pytest.raises(Crowded) as caught:
        table.enter(address)
    return caught.value.reason


def test_an_address_is_one_however_it_is_written() -> None:
    assert counted("::ffff:192.0.2.1") == counted("192.0.2.1") == "192.0.2.1"
    assert counted("2001:db8:1:2::1") == counted("2001:db8:1:2:ffff:ffff:ffff:ffff") == "2001:db8:1:2::/64"
    assert counted("2001:db8:1:2::1") != counted("2001:db8:1:3::1")
    assert counted("fe80::1%eth0") == "fe80::/64"


def test_an_attacker_with_many_addresses_does_not_make_the_table_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "ADDRESSES", 100)
    table = Addresses(10, 1.0, 1, ManualClock())
    for n in range(10_000):
        table.enter(f"2001:db8:{n:x}::1")()
    assert len(table) == 0 and len(table._rates) == 100


def test_one_household_does_not_have_more_by_having_many_addresses() -> None:
    table = Addresses(2, 100.0, 100, ManualClock())
    leave = [table.enter(f"2001:db8::{n}") for n in range(2)]
    assert crowded(table, "2001:db8::99") == "connections_per_address"
    leave[0]()
    table.enter("2001:db8::99")


def test_who_is_refused_takes_no_place_and_no_time() -> None:
    clock = ManualClock()
    table = Addresses(1, 1.0, 2, clock)
    leave = table.enter("192.0.2.1")
    for _ in range(10):
        assert crowded(table, "192.0.2.1") == "connections_per_address"
    leave()
    table.enter("192.0.2.1")()
    for _ in range(10):
        assert crowded(table, "192.0.2.1") == "connects_per_address"
    clock.advance(0.75)
    with pytest.raises(Crowded) as caught:
        table.enter("192.0.2.1")
    assert caught.value.retry_after_s == pytest.approx(0.25)
    clock.advance(0.25)
    table.enter("192.0.2.1")
    assert len(table) == 1


def test_networks_are_named_in_either_form() -> None:
    named = Networks(["192.0.2.7", " 10.0.0.1/8 ", "2001:db8::/32"])
    assert all(one in named for one in ("192.0.2.7", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"))
    assert not any(one in named for one in ("192.0.2.8", "11.0.0.1", "2001:db9::1", "nonsense", ""))
    assert "192.0.2.7" not in Networks([])
    with pytest.raises(ValueError, match="proxy"):
        Networks(["proxy.example"])
