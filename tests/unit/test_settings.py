from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rt_service import cli, settings
from rt_service.choices import check
from rt_service.settings import Settings, SettingsError

ALL = [(section, key) for section, key, _ in settings.names()]
DEFAULT_TOML = settings.config_dir() / "default.toml"


@pytest.mark.parametrize(("section", "key"), ALL)
def test_every_setting_stands_in_default_toml_with_its_default_and_help(section: str, key: str) -> None:
    text = DEFAULT_TOML.read_text()
    default = settings.effective(Settings())[section][key]
    assert tomllib.loads(text)[section][key] == ("" if (section, key) == ("bridge", "password") else default)
    info = Settings.model_fields[section].annotation.model_fields[key]  # type: ignore[union-attr]
    assert " ".join(text.replace("\n# ", " ").split()).count(info.description) >= 1


def test_default_toml_has_nothing_else() -> None:
    document = tomllib.loads(DEFAULT_TOML.read_text())
    assert {(section, key) for section, values in document.items() for key in values} == set(ALL)


def load(tmp_path: Path | None = None, text: str | None = None, **more: Any) -> Settings:
    path = None
    if tmp_path is not None and text is not None:
        path = tmp_path / "mine.toml"
        path.write_text(text)
    return settings.load(path, **{"environ": {}, **more})


def test_the_environment_overrules_the_file_and_the_command_line_both(tmp_path: Path) -> None:
    text = "[server]\nport = 1\nhost = '::1'\ndrain_s = 3"
    found = load(
        tmp_path, text, environ={"RT_SERVER__PORT": "2", "RT_SERVER__HOST": "localhost"}, overrides={"server.port": "3"}
    )
    assert (found.server.port, found.server.host, found.server.drain_s) == (3, "localhost", 3.0)


def test_a_list_is_given_as_toml_or_with_commas() -> None:
    for text in ('["https://a", "https://b"]', "https://a, https://b"):
        assert load(environ={"RT_SERVER__CORS_ALLOWED_ORIGINS": text}).server.cors_allowed_origins == [
            "https://a",
            "https://b",
        ]


def test_a_password_that_looks_like_a_number_stays_as_it_is() -> None:
    assert load(environ={"RT_BRIDGE__PASSWORD": "1e5"}).bridge.password.get_secret_value() == "1e5"


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"server.prot": "1"}, "did you mean server.port?"),
        ({"limts.message_bytes": "1"}, "did you mean limits.message_bytes?"),
        ({"nonsense": "1"}, "sections are server"),
        ({"server": "1"}, "no setting server"),
        ({"port": "1"}, "did you mean server.port or mqtt.port or grpc.port?"),
        ({"server.port": "http"}, "server.port: input should be a valid integer"),
        ({"server.port": "99999"}, "less than or equal to 65535"),
        ({"server.drain_s": "-1"}, "greater than 0"),
        ({"server.namespaces": "chat"}, "a namespace is /"),
        ({"log.level": "loud"}, "log.level"),
        ({"mqtt.enabled": "maybe"}, "mqtt.enabled"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_one_line(overrides: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(overrides=overrides)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1", "mine.toml: there is no setting server.prot; did you mean server.port?"),
        ("[sever]\nport = 1", "did you mean server.port?"),
        ("[nonsense]", "no setting nonsense"),
        ("port = 1", "no setting port"),
        ("server = 1", "did you mean server."),
        ("[server", "is not TOML"),
        ("[server]\nport = 'x'", "mine.toml: server.port"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"RT_SERVER__PROT: .* did you mean RT_SERVER__PORT"):
        load(environ={"RT_SERVER__PROT": "1", "PATH": "/bin"})


def test_a_secret_is_shown_nowhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RT_BRIDGE__PASSWORD", "hunter2")
    assert cli.main(["check-config"]) == 0
    printed = capsys.readouterr().out
    assert "hunter2" not in printed and 'password = "**********"' in printed
    assert "hunter2" not in repr(settings.load())


def test_check_config_prints_toml_with_what_is_in_effect(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", "--set", "server.port=7000"]) == 0
    printed = tomllib.loads(capsys.readouterr().out)
    assert printed["server"]["port"] == 7000
    assert {(section, key) for section, values in printed.items() for key in values} == set(ALL)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check-config", "--set", "server.prot=1"],
        ["check-config", "--set", "server.port"],
        ["check-config", "--config", "/nowhere.toml"],
        ["check-config", "--set", "routes.file=/nowhere.toml"],
        ["--port", "http"],
        ["--prot", "1"],
        ["fly"],
        ["--host", "0.0.0.0"],
        ["--engine", "papyrus"],
        ["--mqtt-url", "http://broker"],
        ["--mqtt-url", "mqtt://broker:x"],
    ],
)
def test_what_cannot_be_used_exits_2_with_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("rt-service: ") and printed.err.count("\n") == 1


def test_every_port_is_where_the_service_is_unless_it_has_an_address_of_its_own() -> None:
    effective = settings.load(overrides={"server.host": "0.0.0.0", "grpc.host": "127.0.0.1"})
    assert [effective.host(section) for section in ("server", "mqtt", "grpc")] == ["0.0.0.0", "0.0.0.0", "127.0.0.1"]
    assert {settings.load().host(section) for section in ("server", "mqtt", "grpc")} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"server.host": "0.0.0.0"}, "server.host: 0.0.0.0 can be reached by others"),
        ({"mqtt.host": "0.0.0.0"}, "--open-to-all"),
        ({"bridge.url": "mqtt://broker", "auth.mode": "token"}, "bridge.trusted"),
    ],
)
def test_what_would_let_strangers_in_does_not_start(changes: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as error:
        check(settings.load(overrides=changes))
    assert says in str(error.value) and "\n" not in str(error.value)


def test_simulated_devices_are_not_started_where_nobody_would_let_them_in() -> None:
    changes = {"simulate.devices": "1", "auth.mode": "token"}
    with pytest.raises(SettingsError, match=r"simulate\.devices: they have no secrets"):
        check(settings.load(overrides=changes))
    check(settings.load(overrides={**changes, "bridge.url": "mqtt://broker", "bridge.trusted": "true"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"server.host": "0.0.0.0", "auth.open_to_all": "true"},
        {"server.host": "0.0.0.0", "mqtt.host": "::", "auth.mode": "token"},
        {"bridge.url": "mqtts://broker", "auth.mode": "token", "bridge.trusted": "true"},
    ],
)
def test_who_says_so_by_name_may_listen_where_others_reach_it(changes: dict[str, str]) -> None:
    check(settings.load(overrides=changes))
