"""Settings: environment variables with the prefix PORTAL_, read once at start."""

import os
import re
import secrets
from collections.abc import Container, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, reset_tzpath

from portal.keyfiles import make_once

# The hour on a record must not depend on how old a machine's zone files are: zones change (the
# City's own did in 2026). We take the pinned tzdata package, as Babel's pytz does.
reset_tzpath(())

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}
_LANGUAGE = re.compile(r"[a-z]{2}")
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


class Role(StrEnum):
    """What a person may do here. Everyone who can sign in is a learner."""

    LEARNER = "learner"
    HR = "hr"
    AUTHOR = "author"
    ADMIN = "admin"
    SPONSOR = "sponsor"  # may invite contractors; managers and HR may without it


class Misconfigured(Exception):
    """The portal refuses to start; each item of `problems` is one clear line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _setting(default: Any, about: str, *, ad: Any = None) -> Any:
    """A setting with its line for the README table; `ad` is its default for Active Directory."""
    return field(default=default, metadata={"about": about, "ad": ad})


@dataclass(frozen=True)
class LdapSettings:
    """How to reach and read the city directory; every name has the prefix PORTAL_LDAP_."""

    urls: tuple[str, ...] = _setting((), "Ordered URLs; `ldap://` means StartTLS is mandatory")
    ca_file: str = _setting("", "PEM file of the authority that signed the directory's certificate")
    kind: str = _setting("openldap", "`openldap` or `ad`")
    bind_dn: str = _setting("", "The service account that searches")
    bind_password_file: str = _setting("", "File that holds the service account's password")
    user_bases: tuple[str, ...] = _setting((), "Where people are, separated by `;`")
    user_filter: str = _setting(
        "(objectClass=person)",
        "Which entries are people",
        ad="(&(objectCategory=person)(objectClass=user))",
    )
    login_attrs: tuple[str, ...] = _setting(
        ("uid", "mail"),
        "What a person may type to sign in; the first is the username",
        ad=("sAMAccountName", "userPrincipalName", "mail"),
    )
    id_attr: str = _setting("entryUUID", "The id that survives renames and moves", ad="objectGUID")
    attr_map: tuple[str, ...] = _setting(
        (
            "full_name=cn",
            "email=mail",
            "language=preferredLanguage",
            "department=departmentNumber",
            "job_title=title",
            "kind=employeeType",
            "manager=manager",
            "started_on=hireDate",
            "ends_on=contractEnd",
            "location=l",
            "union_scope=unionScope",
        ),
        "`field=attribute` pairs, separated by `;`",
        ad=(
            "full_name=displayName",
            "email=mail",
            "language=preferredLanguage",
            "department=department",
            "job_title=title",
            "kind=employeeType",
            "manager=manager",
            "started_on=whenCreated",
            "ends_on=accountExpires",
            "location=physicalDeliveryOfficeName",
        ),
    )
    role_groups: tuple[str, ...] = _setting((), "`group DN or name=role` pairs, separated by `;`")
    custodian_group: str = _setting("", "Group of those who hold an official account")
    audience_groups: tuple[str, ...] = _setting((), "Further groups that campaigns can ask for")
    group_base: str = _setting("", "Where the groups are")
    required_group: str = _setting("", "Group one must be in to sign in at all")
    connect_timeout: int = _setting(2, "Seconds to open a connection")
    read_timeout: int = _setting(3, "Seconds to wait for an answer")
    deadline: int = _setting(8, "Seconds for one sign-in, over all servers")
    cooldown: int = _setting(30, "Seconds a server that failed is left alone")
    page_size: int = _setting(500, "Entries per page when everybody is read")
    exclude: tuple[str, ...] = _setting((), "Usernames or DNs that are no people, such as `svc-*`")
    sync_max_leavers: int = _setting(5, "Per cent who may leave between two readings; or 5 people")
    sync_min_users: int = _setting(1, "A reading with fewer people than this is not believed")
    password_help_url: str = _setting("", "Where a person changes or resets the password")


AD_DEFAULTS = {
    item.name: item.metadata["ad"] for item in fields(LdapSettings) if item.metadata["ad"]
}


@dataclass(frozen=True)
class Settings:
    """Everything that differs between one city and the next. Frozen once the portal has started."""

    env: str = _setting("demo", "`demo` or `production`; production refuses unsafe settings")
    data_dir: Path = _setting(Path("var"), "Database, keys and certificates of the demo")
    content_dir: Path = _setting(ROOT / "content", "The courses and the site's own pages")
    database_url: str = _setting("", "SQLAlchemy URL; empty: SQLite in the data folder")
    secret_key_file: str = _setting("", "File with at least 32 random bytes that sign cookies")
    base_url: str = _setting("http://127.0.0.1:8000", "The address people type")
    proxies: int = _setting(0, "How many proxies of our own stand in front")
    organization: str = _setting("City of Medicine Hat (demo)", "The organization's name")
    name: str = _setting("Staff attestations", "The portal's name, after every page title")
    mark_file: str = _setting("", "SVG of the organization's mark; empty: a plain shield")
    brand_colour: str = _setting("#0f4c5c", "Header colour, `#rrggbb`")
    accent_colour: str = _setting("#e9b44c", "Accent colour, `#rrggbb`")
    time_zone: str = _setting("America/Edmonton", "Zone of the times that people read")
    holidays_of: str = _setting("CA-AB", "Whose holidays no mail goes out on: country-region")
    extra_holidays: tuple[str, ...] = _setting((), "The City's own holidays, as 2026-12-24")
    languages: tuple[str, ...] = _setting(("en",), "Languages of the pages, the first is default")
    translations_dir: Path = _setting(ROOT / "translations", "Catalogues of further languages")
    receipt_prefix: str = _setting("MH", "First letters of a receipt number")
    session_idle: int = _setting(60, "Minutes without activity until a session ends")
    session_hours: int = _setting(12, "Hours until a session ends at the latest")
    kiosk_idle: int = _setting(3, "The same at a shared device")
    sign_in_tries: int = _setting(8, "Failed sign-ins per name in 15 minutes; below the lock-out")
    sign_in_tries_address: int = _setting(60, "Failed sign-ins per address in 15 minutes")
    seal_file: str = _setting("", "PKCS#12 or PEM file of the organization's seal")
    seal_password_file: str = _setting("", "File that holds the password of the seal")
    checkpoint_key_file: str = _setting("", "PEM file of the Ed25519 key that signs checkpoints")
    export_days: int = _setting(7, "Days that a file made for HR is kept")
    smtp_host: str = _setting("", "Mail server; empty: the demo keeps mail in a folder")
    smtp_port: int = _setting(587, "Its port")
    smtp_security: str = _setting("starttls", "`starttls`, `tls`, or `none` on loopback only")
    smtp_user: str = _setting("", "Name to sign in with; empty: none")
    smtp_password_file: str = _setting("", "File that holds the password")
    smtp_ca_file: str = _setting("", "PEM file of the authority; empty: the system's")
    mail_from: str = _setting("", "Sender; empty: no-reply at the host of the base URL")
    mail_reply_to: str = _setting("", "Where answers go, such as HR")
    oidc_issuer: str = _setting("", "Issuer of single sign-on; empty: there is none")
    oidc_client_id: str = _setting("", "The portal's name there")
    oidc_client_secret_file: str = _setting("", "File that holds its secret")
    oidc_scopes: tuple[str, ...] = _setting(("openid", "profile"), "What is asked for")
    oidc_id_claim: str = _setting("directory_id", "Claim with the directory's id of the person")
    demo_directory_port: int = _setting(8389, "Loopback port of the demo's own directory")
    ldap: LdapSettings = field(default_factory=LdapSettings)

    @property
    def is_demo(self) -> bool:
        """Whether the portal runs for demonstration, with its own directory and keys."""
        return self.env != "production"

    @property
    def zone(self) -> ZoneInfo:
        """The City's time zone."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def holidays(self) -> Container[date]:
        """The days, besides weekends, on which the City does not work."""
        from holidays import country_holidays  # 60 ms that only a schedule has to wait for

        country, _, region = self.holidays_of.partition("-")
        days = country_holidays(country, subdiv=region or None)
        days.append([date.fromisoformat(day) for day in self.extra_holidays])
        return days

    def language_for(self, wanted: str) -> str:
        """The language for who would like `wanted`: that one if it is ours, else the first."""
        return wanted if wanted in self.languages else self.languages[0]

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'portal.sqlite3').resolve()}"

    @property
    def trusted_hosts(self) -> list[str]:
        """Host names that a request may ask for; anything else is answered with 400."""
        host = urlsplit(self.base_url).hostname or ""
        return [host, "127.0.0.1", "localhost"]

    @property
    def secret_key(self) -> bytes:
        """The key that signs cookies; in the demo it is made at the first start."""
        if self.secret_key_file:
            return Path(self.secret_key_file).read_bytes()
        return _demo_secret(self.data_dir)

    @property
    def oidc_client_secret(self) -> str:
        """The portal's secret at the provider of single sign-on."""
        return Path(self.oidc_client_secret_file).read_text().strip()

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read PORTAL_* from the environment. Raises Misconfigured with one line per problem."""
        problems: list[str] = []
        given = _read(LdapSettings, env, "PORTAL_LDAP_", problems)
        ldap = LdapSettings(**(AD_DEFAULTS | given if given.get("kind") == "ad" else given))
        settings = cls(**_read(cls, env, "PORTAL_", problems), ldap=ldap)
        problems += _complaints(settings)
        if problems:
            raise Misconfigured(problems)
        return settings


def _read(kind: type, env: Mapping[str, str], prefix: str, problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in fields(kind):
        text = env.get(prefix + item.name.upper())
        if text is None or item.default is MISSING:
            continue
        try:
            values[item.name] = _parse(text, item.default)
        except ValueError:
            problems.append(f"{prefix}{item.name.upper()}: {text!r} is not a whole number.")
    return values


def _parse(text: str, default: object) -> object:
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(";") if part.strip())
    if isinstance(default, int):
        return int(text)
    if isinstance(default, Path):
        return Path(text)
    return text


def _complaints(settings: Settings) -> list[str]:
    """What is wrong with these settings, one line each."""
    found = [
        f"PORTAL_{name.upper()}: write a colour as #rrggbb."
        for name in ("brand_colour", "accent_colour")
        if not _COLOUR.fullmatch(getattr(settings, name))
    ]
    if not settings.languages or not all(map(_LANGUAGE.fullmatch, settings.languages)):
        found.append("PORTAL_LANGUAGES: write two letters for each, as en;fr.")
    if not all(_is_day(day) for day in settings.extra_holidays):
        found.append("PORTAL_EXTRA_HOLIDAYS: write days as 2026-12-24, separated by `;`.")
    try:
        ZoneInfo(settings.time_zone)
    except (KeyError, ValueError, OSError):
        found.append(f"PORTAL_TIME_ZONE: there is no time zone {settings.time_zone!r}.")
    if settings.env not in {"demo", "production"}:
        found.append("PORTAL_ENV: write demo or production.")
    if not _writable(settings.data_dir):
        found.append(f"PORTAL_DATA_DIR: {settings.data_dir} cannot be written to.")
    found += _ldap_complaints(settings.ldap)
    for prefix, part in (("PORTAL_", settings), ("PORTAL_LDAP_", settings.ldap)):
        for item in fields(part):
            path = getattr(part, item.name)
            if item.name.endswith("_file") and path and not Path(path).is_file():
                found.append(f"{prefix}{item.name.upper()}: there is no file {path}.")
            elif item.name.endswith("_file") and path and not os.access(path, os.R_OK):
                found.append(f"{prefix}{item.name.upper()}: {path} may not be read by this user.")
    found += _sso_complaints(settings)
    if settings.smtp_security not in {"starttls", "tls", "none"}:
        found.append("PORTAL_SMTP_SECURITY: write starttls, tls or none.")
    if settings.smtp_security == "none" and settings.smtp_host not in LOOPBACK:
        found.append("PORTAL_SMTP_SECURITY: none is for a server on this machine only.")
    if not settings.is_demo:
        found += _production_complaints(settings)
    return found


def _ldap_complaints(ldap: LdapSettings) -> list[str]:
    found = [
        f"PORTAL_LDAP_ROLE_GROUPS: {pair!r} does not end in one of our roles."
        for pair in ldap.role_groups
        if pair.rpartition("=")[2] not in set(Role)
    ]
    if ldap.kind not in {"openldap", "ad"}:
        found.append("PORTAL_LDAP_KIND: write openldap or ad.")
    groups = (ldap.role_groups, ldap.custodian_group, ldap.audience_groups, ldap.required_group)
    if ldap.urls and any(groups) and not ldap.group_base:
        found.append("PORTAL_LDAP_GROUP_BASE: say where the groups that you name are.")
    return found


def _sso_complaints(settings: Settings) -> list[str]:
    if not settings.oidc_issuer:
        return []
    found = []
    if not (settings.oidc_client_id and settings.oidc_client_secret_file):
        found.append("PORTAL_OIDC_ISSUER: needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET_FILE.")
    is_near = settings.is_demo and urlsplit(settings.oidc_issuer).hostname in LOOPBACK
    if not (settings.oidc_issuer.startswith("https://") or is_near):
        found.append("PORTAL_OIDC_ISSUER: must be an https:// address.")
    return found


def _production_complaints(settings: Settings) -> list[str]:
    found = []
    if not settings.secret_key_file:
        found.append("PORTAL_SECRET_KEY_FILE: production needs a secret of its own.")
    elif Path(settings.secret_key_file).is_file() and len(settings.secret_key) < 32:
        found.append("PORTAL_SECRET_KEY_FILE: the secret must have at least 32 bytes.")
    if not settings.seal_file:
        found.append("PORTAL_SEAL_FILE: the development seal is not for production.")
    if not settings.checkpoint_key_file:
        found.append("PORTAL_CHECKPOINT_KEY_FILE: production needs a key of its own.")
    if not settings.ldap.urls:
        found.append("PORTAL_LDAP_URLS: the demo directory is not for production.")
    for name in ("bind_dn", "bind_password_file", "user_bases"):
        if settings.ldap.urls and not getattr(settings.ldap, name):
            found.append(f"PORTAL_LDAP_{name.upper()}: production needs it.")
    if not settings.ldap.ca_file:
        found.append("PORTAL_LDAP_CA_FILE: name the authority that signed the certificate.")
    if not settings.base_url.startswith("https://"):
        found.append("PORTAL_BASE_URL: production needs an https:// address.")
    for url in settings.ldap.urls:
        if urlsplit(url).scheme not in {"ldaps", "ldap"}:
            found.append(f"PORTAL_LDAP_URLS: {url} is neither ldaps:// nor ldap:// with StartTLS.")
    return found


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _demo_secret(folder: Path) -> bytes:
    return make_once(folder / "secret-key", lambda: secrets.token_bytes(32)).read_bytes()
