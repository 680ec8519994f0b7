"""The way in: this app's directory and the rules of the door, made once per app."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from hmac import new as hmac
from typing import cast

from flask import current_app

from portal.config import LdapSettings, Role, Settings
from portal.people import demo_people
from portal.people.directory import Directory
from portal.people.ldap import LdapDirectory


@dataclass(frozen=True)
class Door:
    """Directory, role groups, and how often one may knock. `key` keeps names out of tables."""

    directory: Directory
    roles: dict[str, Role]
    custodian_group: str
    help_url: str
    tries: int
    tries_address: int
    idle_minutes: int
    session_hours: int
    kiosk_minutes: int
    ldap: LdapSettings
    key: bytes = field(repr=False)

    @property
    def excluded(self) -> tuple[str, ...]:
        """Patterns of names that are no people: service accounts, devices."""
        return self.ldap.exclude

    def subject(self, kind: str, value: str) -> bytes:
        """A name or address as a keyed hash: counted, and not readable from the table."""
        return hmac(self.key, f"{kind}:{value}".encode(), sha256).digest()


def make_door(settings: Settings) -> Door:
    """The door for these settings; in the demo without a directory of its own, ours."""
    ldap = ldap_settings(settings)
    roles = {pair.rpartition("=")[0]: Role(pair.rpartition("=")[2]) for pair in ldap.role_groups}
    wanted = [*roles, *filter(None, [ldap.custodian_group, ldap.required_group])]
    wanted += [group for group in ldap.audience_groups if group not in wanted]
    return Door(
        directory=LdapDirectory(ldap, wanted_groups=wanted),
        roles=roles,
        custodian_group=ldap.custodian_group,
        help_url=ldap.password_help_url,
        tries=settings.sign_in_tries,
        tries_address=settings.sign_in_tries_address,
        idle_minutes=settings.session_idle,
        session_hours=settings.session_hours,
        kiosk_minutes=settings.kiosk_idle,
        ldap=ldap,
        key=settings.secret_key,
    )


def current_door() -> Door:
    """The door of the app that answers now."""
    extensions = current_app.extensions
    if "door" not in extensions:
        extensions["door"] = make_door(extensions["settings"])
    return cast(Door, extensions["door"])


def ldap_settings(settings: Settings) -> LdapSettings:
    """The directory's settings in force: the City's, or those of the demo directory."""
    if settings.ldap.urls or not settings.is_demo:
        return settings.ldap
    return replace(
        settings.ldap,
        urls=(f"ldaps://localhost:{settings.demo_directory_port}",),
        ca_file=str(settings.data_dir / "demo-directory-ca.pem"),
        bind_dn=demo_people.SERVICE,
        bind_password_file=str(settings.data_dir / "demo-directory-password"),
        user_bases=(demo_people.PEOPLE, demo_people.CONTRACTORS),
        group_base=demo_people.GROUPS,
        role_groups=("portal-hr=hr", "portal-authors=author", "portal-admins=admin"),
        custodian_group="portal-custodians",
        audience_groups=("council-office",),
        password_help_url="/people/cannot-sign-in",  # noqa: S106 - an address
    )
