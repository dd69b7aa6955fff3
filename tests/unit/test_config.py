"""Settings: where they come from, and what is refused with the setting's name."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from folkmoot.auth.trust import LISTS, Trust
from folkmoot.config import SettingWrong, load, unknown

PRODUCTION = {"mode": "production", "https_port": 0}
ISSUER = {
    "FOLKMOOT_ISSUERS_MAIN_ISSUER": "https://id.example.org/realms/moot",
    "FOLKMOOT_ISSUERS_MAIN_AUDIENCE": "moot",
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
        ({"https_port": 0, "http_port": 0}, "there is nothing to listen on"),
        ({"https_port": 8080}, "https_port and http_port are both 8080"),
        ({"database": "mysql://x"}, "postgresql://"),
        ({"database_replica": "postgresql://x"}, "database_replica needs database"),
        ({"database": "postgresql://x", "database_replica": "http://x"}, "database_replica must begin"),
        ({"database": "postgresql://x", "database_direct": "postgresql://y"}, "database_pooled"),
        ({"database_writers": 0}, "database_writers"),
        ({"database_statement_seconds": -1}, "database_statement_seconds"),
        ({"public_url": "localhost"}, "public_url"),
        ({"tenant_id": "nonsense"}, "tenant_id must be a GUID"),
        ({"tenant_id": ""}, "tenant_id must be a GUID"),
        ({"domain": ""}, "domain must be"),
        ({"domain": "no domain"}, "domain must be"),
        ({"domain": "@example.org"}, "domain must be"),
        ({"domain": "example..org"}, "domain must be"),
        ({"domain": "https://example.org"}, "domain must be"),
        ({"mode": "testing"}, "mode"),
        ({"workers": 0}, "workers"),
        ({"receive_seconds": 0}, "receive_seconds"),
        ({"grace_seconds": -1}, "grace_seconds"),
        ({"max_unsent_bytes": 1000}, "max_unsent_bytes"),
        ({"config": "/nowhere/folkmoot.toml"}, "/nowhere/folkmoot.toml"),
        ({"mode": "production"}, "[issuers.main]"),
        ({"strict_limits": "clouds"}, "strict_limits"),
        ({"extended_limits": "mailbox=10"}, "extended_limits"),
        ({"strict_limits": "concurrent=0"}, "strict_limits"),
        ({"strict_limits": ""}, "strict_limits"),
        ({"max_requests": 0}, "max_requests"),
        ({"max_body_bytes": 0}, "max_body_bytes must be a kilobyte"),
        ({"max_body_bytes": -1}, "max_body_bytes must be a kilobyte"),
        ({"max_attachment_bytes": -1}, "max_attachment_bytes"),
        ({"max_bodies_bytes": 1000}, "max_bodies_bytes"),
        ({"max_waiting_writes": 0}, "max_waiting_writes"),
        ({"log_format": "xml"}, "log_format"),
        ({"log_level": "loud"}, "log_level"),
        ({"otlp_endpoint": "localhost:4318"}, "otlp_endpoint"),
        ({"otlp_endpoint": "http://"}, "otlp_endpoint"),
        ({"otlp_endpoint": "https://collector:grpc"}, "otlp_endpoint"),
        ({"data": ""}, "data must name a directory"),
        ({"webhook_networks": ("10.0.0.0/33",)}, "10.0.0.0/33"),
        ({"webhook_networks": ("8.8.8.0/24",)}, "no part of 10.0.0.0/8"),
        ({"webhook_networks": ("169.254.169.254/32",)}, "no part of 10.0.0.0/8"),
        ({"webhook_networks": ("127.0.0.0/8",)}, "no part of 10.0.0.0/8"),
        ({"webhook_networks": ("::/0",)}, "no part of 10.0.0.0/8"),
        ({"database_file": "/nowhere/url"}, "/nowhere/url"),
        ({"database_file": "/dev/null"}, "is empty"),
        ({"database_file": "/dev/null", "database": "postgresql://x/y"}, "keep one"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(SettingWrong) as refused:
        load(given, {})
    assert named in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "http://",
        "https://:8443",
        "https://a b",
        "https://moot.example.org\n",
        "https://bücher.example",
        "https://u:p@x",
        "https://@x",
        "https://x:99999",
        "https://x:0",
        "https://x:",
        "https://x:https",
        "https://[::1",
        "https://x/moot",
        "https://x/y?z",
        "https://x?",
        "https://x#f",
        "ftp://x",
    ],
)
def test_a_public_url_that_is_no_origin_is_refused(url: str) -> None:
    with pytest.raises(SettingWrong, match="public_url must be an origin") as refused:
        load({"public_url": url}, {})
    assert refused.value.target == "public_url"


@pytest.mark.parametrize(
    "url", ["https://moot.example.org", "https://moot.example.org/", "http://moot_1:8080", "https://[::1]:8443"]
)
def test_a_public_url_is_an_origin(url: str) -> None:
    assert load({"public_url": url}, {}).public_url == url


def test_a_tenant_in_capitals_is_the_one_in_small_letters() -> None:
    tenant = "6F1C0E52-8F0D-4F0B-9B9E-2E0B5B0A7C11"
    assert load({}, {"FOLKMOOT_TENANT_ID": tenant}).tenant_id == tenant.lower()


def test_the_later_word_wins_on_where_the_database_is_in_whichever_way_it_says_so(tmp_path: Path) -> None:
    """A command beside the server may look at another database than the server's settings name."""
    (tmp_path / "url").write_text("postgresql://moot:secret@db/moot\n")
    (tmp_path / "folkmoot.toml").write_text(f'database_file = "{tmp_path / "url"}"\n')
    file = {"config": str(tmp_path / "folkmoot.toml")}
    assert load(file, {}).database == "postgresql://moot:secret@db/moot"
    assert load({**file, "database": "postgresql://db/rehearsal"}, {}).database == "postgresql://db/rehearsal"
    environment = {"FOLKMOOT_DATABASE": "postgresql://db/tried"}
    assert load(file, environment).database == "postgresql://db/tried"
    assert load({**file, "database_file": str(tmp_path / "url")}, environment).database == load(file, {}).database


def test_a_database_may_be_named_in_a_file_that_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://moot:secret@db/moot\n")
    settings = load({}, {"FOLKMOOT_DATABASE_FILE": str(tmp_path / "url")})
    assert settings.database == "postgresql://moot:secret@db/moot"
    (tmp_path / "url").write_text("mysql://moot:secret@db/moot\n")
    with pytest.raises(SettingWrong) as refused:
        load({}, {"FOLKMOOT_DATABASE_FILE": str(tmp_path / "url")})
    assert "secret" not in refused.value.message


def test_networks_stand_in_the_environment_with_commas_between() -> None:
    settings = load({}, {"FOLKMOOT_WEBHOOK_NETWORKS": "10.20.0.0/16, fd12::/48"})
    assert settings.webhook_networks == ("10.20.0.0/16", "fd12::/48")


def test_an_unknown_setting_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "folkmoot.toml"
    file.write_text("htps_port = 1\n")
    with pytest.raises(SettingWrong, match="htps_port"):
        load({"config": str(file)}, {})


def test_what_is_no_setting_in_the_environment_is_known() -> None:
    known = {"FOLKMOOT_CONFIG": "x", "FOLKMOOT_HTTP_PORT": "1", "FOLKMOOT_TEST_POSTGRESQL": "x", "PATH": "x", **ISSUER}
    assert unknown(known) == []
    assert unknown({**known, "FOLKMOOT_NONSENSE": "1", "FOLKMOOT_ISSUERS": "x"}) == [
        "FOLKMOOT_ISSUERS",
        "FOLKMOOT_NONSENSE",
    ]


def test_development_listens_beyond_loopback_only_when_told_twice() -> None:
    settings = load({"host": "0.0.0.0", "development_beyond_loopback": True}, {})  # noqa: S104
    assert settings.host == "0.0.0.0"  # noqa: S104


def test_no_host_is_not_every_address() -> None:
    with pytest.raises(SettingWrong, match="host must be an address"):
        load({**PRODUCTION}, {**ISSUER, "FOLKMOOT_HOST": ""})


def test_production_behind_a_proxy_needs_no_certificate() -> None:
    assert load(PRODUCTION, ISSUER).mode == "production"
    with pytest.raises(SettingWrong, match="certificate"):
        load({**PRODUCTION, "https_port": 443}, ISSUER)


# ── outside issuers ──────────────────────────────────────────────────────────────────────────────────────────────────

TABLES = """
[issuers.main]
issuer = "https://id.example.org/realms/moot"
audience = ["moot", "api://moot"]
permissions = "realm_access.roles"
permission_map = { write = ["Group.ReadWrite.All"] }
provision = "first-sign-in"
provision_domains = ["example.org"]

[issuers.entra]
issuer = "https://login.microsoftonline.com/8f6b1d6a-6f0e-4b2a-9a53-0d7c6c1f5e11/v2.0"
audience = "11111111-1111-4111-8111-111111111111"
subject = "oid"
link = "id"
"""


def test_outside_issuers_are_tables_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "folkmoot.toml"
    file.write_text(TABLES)
    issuers = load({"config": str(file)}, {}).issuers
    main, entra = issuers["main"], issuers["entra"]
    assert (main.audience, main.permissions) == (("moot", "api://moot"), ("realm_access.roles",))
    assert (main.permission_map, main.provision) == ({"write": ("Group.ReadWrite.All",)}, "first-sign-in")
    assert (entra.audience, entra.subject, entra.link, entra.provision) == (
        ("11111111-1111-4111-8111-111111111111",),
        ("oid",),
        ("id",),
        "off",
    )


def test_the_environment_says_the_same_and_wins(tmp_path: Path) -> None:
    file = tmp_path / "folkmoot.toml"
    file.write_text(TABLES)
    environment = {
        "FOLKMOOT_ISSUERS_MAIN_AUDIENCE": "a, b",
        "FOLKMOOT_ISSUERS_MAIN_CLOCK_SKEW": "5",
        "FOLKMOOT_ISSUERS_MAIN_PERMISSION_MAP": '{"read": ["Group.Read.All"]}',
        "FOLKMOOT_ISSUERS_OTHER_ISSUER": "https://other.example.org",
        "FOLKMOOT_ISSUERS_OTHER_AUDIENCE": "moot",
        "FOLKMOOT_ISSUERS_OTHER_LINK": "mail,sign_in_name",
    }
    issuers = load({"config": str(file)}, environment).issuers
    assert list(issuers) == ["main", "entra", "other"]
    assert (issuers["main"].audience, issuers["main"].clock_skew) == (("a", "b"), 5)
    assert issuers["main"].permission_map == {"read": ("Group.Read.All",)}
    assert issuers["other"].link == ("mail", "sign_in_name")


@pytest.mark.parametrize(
    ("setting", "text", "named"),
    [
        ("AUDIENCE", "", "issuers.main.audience"),
        ("ISSUER", "http://id.example.org", "issuers.main.issuer must be an https URL"),
        ("ISSUER", "http://127.0.0.1:9000", "issuers.main.issuer must be an https URL"),
        ("ISSUER", "https://id.example.org/?tenant=1", "issuers.main.issuer"),
        ("JWKS_URI", "http://id.example.org/keys", "issuers.main.jwks_uri"),
        ("JWKS_URI", "http://localhost/keys", "issuers.main.jwks_uri"),
        ("JWKS_URI", "https://user@id.example.org/keys", "issuers.main.jwks_uri"),
        ("CLOCK_SKEW", "301", "issuers.main.clock_skew"),
        ("CLOCK_SKEW", "soon", "issuers.main"),
        ("REFRESH_SECONDS", "1", "issuers.main.refresh_seconds"),
        ("PROVISION", "always", "issuers.main.provision"),
        ("PROVISION_DOMAINS", "example", "'example'"),
        ("SUBJECT", "", "issuers.main.subject"),
        ("LINK", "name", "issuers.main.link"),
        ("PERMISSION_MAP", "write", "FOLKMOOT_ISSUERS_MAIN_PERMISSION_MAP"),
        ("AUDIENCES", "moot", "audiences"),
    ],
)
def test_a_wrong_setting_of_an_issuer_is_named(setting: str, text: str, named: str) -> None:
    with pytest.raises(SettingWrong) as refused:
        load(PRODUCTION, ISSUER | {f"FOLKMOOT_ISSUERS_MAIN_{setting}": text})
    assert named in refused.value.message


def test_an_issuer_on_this_machine_may_do_without_tls_in_development_only() -> None:
    here = ISSUER | {"FOLKMOOT_ISSUERS_MAIN_ISSUER": "http://127.0.0.1:9000"}
    assert load({}, here).issuers["main"].issuer == "http://127.0.0.1:9000"
    with pytest.raises(SettingWrong, match="https"):
        load({}, ISSUER | {"FOLKMOOT_ISSUERS_MAIN_ISSUER": "http://id.example.org"})


def test_issuers_are_told_apart() -> None:
    twice = {name.replace("MAIN", "OTHER"): text for name, text in ISSUER.items()}
    with pytest.raises(SettingWrong, match="same issuer"):
        load({}, ISSUER | twice)


def test_keys_come_from_one_place() -> None:
    both = {"FOLKMOOT_ISSUERS_MAIN_JWKS_URI": "https://id/keys", "FOLKMOOT_ISSUERS_MAIN_JWKS_FILE": "keys.json"}
    with pytest.raises(SettingWrong, match="jwks_file"):
        load({}, ISSUER | both)


@pytest.mark.parametrize(
    "text", ['issuers = "https://id"', "[issuers]\nissuer = 'x'", "[issuers.'Main Id']\nissuer = 'x'"]
)
def test_issuers_that_are_no_named_tables_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "folkmoot.toml"
    file.write_text(text)
    with pytest.raises(SettingWrong, match="issuers"):
        load({"config": str(file)}, {})


# ── the manual ───────────────────────────────────────────────────────────────────────────────────────────────────────

SIGN_IN = (Path(__file__).parents[2] / "docs" / "how-to" / "sign-in.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", SIGN_IN, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_manuals_examples_are_settings(tmp_path: Path, example: str) -> None:
    file = tmp_path / "folkmoot.toml"
    file.write_text(example)
    assert load({**PRODUCTION, "config": str(file)}, {}).issuers


def test_the_manual_has_every_setting_of_an_issuer_with_its_default() -> None:
    told = dict(re.findall(r"(?m)^\| `(\w+)` \| ([^|]+) \|", SIGN_IN))
    assert list(told) == list(Trust.__struct_fields__)
    made = Trust(issuer="x", audience=("x",))
    for name, said in told.items():
        default = getattr(made, name)
        if name in ("issuer", "audience"):
            assert said == "needed"
        elif default in ((), None, {}):
            assert said in ("nothing", "none", "any", "see below", "by discovery")
        elif isinstance(default, tuple):
            assert said == ", ".join(f"`{each}`" for each in default)
        else:
            assert said.strip("`") == str(default)


def test_lists_are_known_as_such() -> None:
    fields = {field.name for field in msgspec.structs.fields(Trust) if "tuple" in str(field.type)}
    assert fields - {"permission_map"} == LISTS
