from dataclasses import fields, replace

import pytest

from portal.config import LdapSettings, Misconfigured, Settings
from tests.conftest import ROOT


@pytest.fixture
def production(tmp_path):
    """An environment that production accepts."""
    for name in ("secret", "seal.p12", "checkpoint.pem", "ca.pem"):
        (tmp_path / name).write_bytes(b"x" * 32)
    return {
        "PORTAL_ENV": "production",
        "PORTAL_DATA_DIR": str(tmp_path / "data"),
        "PORTAL_BASE_URL": "https://portal.example",
        "PORTAL_SECRET_KEY_FILE": str(tmp_path / "secret"),
        "PORTAL_SEAL_FILE": str(tmp_path / "seal.p12"),
        "PORTAL_CHECKPOINT_KEY_FILE": str(tmp_path / "checkpoint.pem"),
        "PORTAL_LDAP_URLS": "ldaps://a.example;ldap://b.example",
        "PORTAL_LDAP_CA_FILE": str(tmp_path / "ca.pem"),
        "PORTAL_LDAP_BIND_DN": "cn=portal,dc=example",
        "PORTAL_LDAP_BIND_PASSWORD_FILE": str(tmp_path / "secret"),
        "PORTAL_LDAP_USER_BASES": "dc=example",
    }


def problems(environment):
    with pytest.raises(Misconfigured) as refusal:
        Settings.from_env(environment)
    return refusal.value.problems


def test_production_starts_when_all_is_set(production):
    assert not Settings.from_env(production).is_demo


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"PORTAL_SECRET_KEY_FILE": ""}, "PORTAL_SECRET_KEY_FILE: production needs a secret"),
        ({"PORTAL_SEAL_FILE": ""}, "PORTAL_SEAL_FILE: the development seal is not for"),
        ({"PORTAL_CHECKPOINT_KEY_FILE": ""}, "PORTAL_CHECKPOINT_KEY_FILE: production needs"),
        ({"PORTAL_LDAP_URLS": ""}, "PORTAL_LDAP_URLS: the demo directory is not for production"),
        ({"PORTAL_LDAP_URLS": "http://a.example"}, "neither ldaps:// nor ldap:// with StartTLS"),
        ({"PORTAL_LDAP_CA_FILE": ""}, "PORTAL_LDAP_CA_FILE: name the authority"),
        ({"PORTAL_LDAP_BIND_DN": ""}, "PORTAL_LDAP_BIND_DN: production needs it"),
        ({"PORTAL_LDAP_USER_BASES": ""}, "PORTAL_LDAP_USER_BASES: production needs it"),
        ({"PORTAL_LDAP_ROLE_GROUPS": "portal-hr=hr"}, "PORTAL_LDAP_GROUP_BASE: say where"),
        ({"PORTAL_BASE_URL": "http://portal.example"}, "production needs an https:// address"),
        ({"PORTAL_DATA_DIR": "/proc/nowhere"}, "PORTAL_DATA_DIR: /proc/nowhere cannot be written"),
        ({"PORTAL_SEAL_FILE": "/no/such.p12"}, "PORTAL_SEAL_FILE: there is no file /no/such.p12"),
    ],
)
def test_production_refuses_what_is_unsafe_with_one_clear_line(production, change, words):
    (line,) = problems(production | change)

    assert words in line


def test_a_short_secret_is_refused(production, tmp_path):
    (tmp_path / "secret").write_bytes(b"short")

    assert "at least 32 bytes" in problems(production)[0]


def test_a_key_that_belongs_to_somebody_else_is_named(production, tmp_path, monkeypatch):
    key = str(tmp_path / "checkpoint.pem")
    monkeypatch.setattr("os.access", lambda path, _how: str(path) != key)  # root may read all

    assert problems(production) == [
        f"PORTAL_CHECKPOINT_KEY_FILE: {key} may not be read by this user."
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORTAL_SESSION_IDLE", "soon", "not a whole number"),
        ("PORTAL_BRAND_COLOUR", "teal", "#rrggbb"),
        ("PORTAL_TIME_ZONE", "Mars/Base", "no time zone"),
        ("PORTAL_ENV", "test", "demo or production"),
        ("PORTAL_LDAP_ROLE_GROUPS", "cn=x=boss", "does not end in one of our roles"),
        ("PORTAL_LDAP_KIND", "AD", "write openldap or ad"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path, name, value, words):
    (line,) = problems({"PORTAL_DATA_DIR": str(tmp_path), name: value})

    assert line.startswith(name)
    assert words in line


def test_active_directory_has_defaults_of_its_own_that_a_setting_replaces(tmp_path):
    start = {"PORTAL_DATA_DIR": str(tmp_path), "PORTAL_LDAP_KIND": "ad"}
    ldap = Settings.from_env(start).ldap
    by_mail = Settings.from_env(start | {"PORTAL_LDAP_LOGIN_ATTRS": "mail"}).ldap

    assert (ldap.id_attr, ldap.login_attrs[0]) == ("objectGUID", "sAMAccountName")
    assert "full_name=displayName" in ldap.attr_map
    assert "objectCategory=person" in ldap.user_filter
    assert by_mail == replace(ldap, login_attrs=("mail",))


def test_the_secret_of_the_demo_is_made_once_and_for_its_owner_alone(tmp_path):
    settings = Settings(data_dir=tmp_path)

    assert len(settings.secret_key) == 32
    assert settings.secret_key == Settings(data_dir=tmp_path).secret_key
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


def shown_default(value: object) -> str:
    """A default as the environment would give it."""
    text = ";".join(map(str, value)) if isinstance(value, tuple) else str(value)
    text = text.replace(f"{ROOT}/", "")
    return f"`{text}`" if text else "none"


def settings_table() -> str:
    """The table of README, made from the code: `python -m tests.test_config` prints it."""
    lines = ["| variable | default | what it is |", "| --- | --- | --- |"]
    for prefix, kind in (("PORTAL_", Settings), ("PORTAL_LDAP_", LdapSettings)):
        for item in fields(kind):
            if "about" not in item.metadata:
                continue
            shown = shown_default(item.default)
            if item.metadata["ad"]:
                shown += f"; ad: {shown_default(item.metadata['ad'])}"
            lines.append(f"| `{prefix}{item.name.upper()}` | {shown} | {item.metadata['about']} |")
    return "\n".join(lines)


def test_the_table_in_the_readme_is_that_of_the_code():
    assert settings_table() in (ROOT / "README.md").read_text()


if __name__ == "__main__":
    print(settings_table())
