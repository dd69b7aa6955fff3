"""Settings: where they come from, and what is refused with the setting's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from folkmoot.config import SettingWrong, load

PRODUCTION = {
    "mode": "production",
    "issuer": "https://id",
    "audience": "moot",
    "jwks_file": "keys.json",
    "https_port": 0,
}


def test_no_configuration_is_development_on_loopback() -> None:
    settings = load({}, {})
    assert (settings.mode, settings.host, settings.https_port, settings.http_port) == (
        "development",
        "127.0.0.1",
        8443,
        8080,
    )


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "folkmoot.toml"
    file.write_text('https_port = 1001\nhttp_port = 1002\ndata = "from-file"\n')
    environment = {"FOLKMOOT_CONFIG": str(file), "FOLKMOOT_HTTP_PORT": "2002", "FOLKMOOT_DATA": "from-environment"}
    settings = load({"data": "from-command", "host": None}, environment)
    assert (settings.https_port, settings.http_port, settings.data) == (1001, 2002, "from-command")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"host": "0.0.0.0"}, "--development-beyond-loopback"),  # noqa: S104
        ({"https_port": 70000}, "https_port"),
        ({"https_port": 0, "http_port": 0}, "https_port"),
        ({"database": "mysql://x"}, "postgresql://"),
        ({"public_url": "localhost"}, "public_url"),
        ({"mode": "testing"}, "mode"),
        ({"config": "/nowhere/folkmoot.toml"}, "/nowhere/folkmoot.toml"),
        ({"mode": "production"}, "issuer"),
        ({**PRODUCTION, "audience": None}, "audience"),
        ({**PRODUCTION, "https_port": 443}, "certificate"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(SettingWrong) as refused:
        load(given, {})
    assert named in refused.value.message


def test_an_unknown_setting_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "folkmoot.toml"
    file.write_text("htps_port = 1\n")
    with pytest.raises(SettingWrong, match="htps_port"):
        load({"config": str(file)}, {})


def test_development_listens_beyond_loopback_only_when_told_twice() -> None:
    settings = load({"host": "0.0.0.0", "development_beyond_loopback": True}, {})  # noqa: S104
    assert settings.host == "0.0.0.0"  # noqa: S104


def test_production_behind_a_proxy_needs_no_certificate() -> None:
    assert load(PRODUCTION, {}).mode == "production"
