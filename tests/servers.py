"""Real servers for tests, thrown away afterwards. What is missing is an error, never a skip."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import MappingProxyType

import psycopg
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from ldap3 import NONE, Connection, Server, Tls

from portal.config import LdapSettings
from portal.people import demo_keys, demo_people
from portal.people.demo_people import Member
from portal.people.ldap_values import PERMANENTLY_LOCKED


def find_program(name: str, *folders: str) -> str:
    """The path of a program, also outside PATH. Raises RuntimeError if it is not installed."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *folders])
    found = shutil.which(name, path=path)
    if found is None:
        raise RuntimeError(f"{name} is not installed; `make test` says how.")
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 20) -> None:
    """Wait until somebody listens. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nobody listens on {port}")


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server on loopback; gives its URL without a database."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folder = Path(tempfile.mkdtemp(prefix="portal-pg-"))
    port = free_port()
    user = None
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = "nobody"
        shutil.chown(folder, user)
    initdb = find_program("initdb", *map(str, binaries))
    server = find_program("postgres", *map(str, binaries))
    data = folder / "data"
    subprocess.run(
        [initdb, "-D", data, "-U", "portal", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
        cwd="/",
        user=user,
    )
    options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]
    process = subprocess.Popen(
        [server, "-D", data, "-p", str(port), "-k", folder, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=user,
    )
    try:
        wait_for_port(port)
        url = f"postgresql+psycopg://portal@127.0.0.1:{port}"
        _wait_until_ready(port)
        yield url
    finally:
        process.send_signal(signal.SIGINT)  # now, whoever is still connected
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(f"postgresql://portal@127.0.0.1:{port}/postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def create_database(url: str, name: str, *, template: str = "template0") -> None:
    """Create a database on this server, in place of the one that had its name."""
    plain = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(f"{plain}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


@dataclass(frozen=True)
class Slapd:
    """A running OpenLDAP with the demonstration's people."""

    port: int
    folder: Path
    settings: LdapSettings

    @property
    def environment(self) -> dict[str, str]:
        """The settings as a portal's environment gives them."""
        return {
            f"PORTAL_LDAP_{item.name.upper()}": _text(getattr(self.settings, item.name))
            for item in fields(self.settings)
        }

    @contextmanager
    def as_root(self) -> Iterator[Connection]:
        """A connection that may change everything."""
        tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=self.settings.ca_file)
        server = Server("localhost", port=self.port, use_ssl=True, tls=tls, get_info=NONE)
        with Connection(server, ROOT, ROOT_PASSWORD, raise_exceptions=True) as connection:
            yield connection


ROOT, ROOT_PASSWORD = f"cn=root,{demo_people.BASE}", "root-of-the-tests"
PLENTY = "size.soft=5000 size.hard=5000 size.prtotal=unlimited"


@contextmanager
def slapd(
    members: Iterable[Member] | None = None,
    *,
    more: str = "",
    size_limit: str = PLENTY,
    locks_after: int = 0,
    passwords: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Slapd]:
    """OpenLDAP's slapd with TLS, ppolicy and the demonstration's people; `more` is LDIF.

    `passwords`: username -> password, of who has another than everybody.
    """
    folder = Path(tempfile.mkdtemp(prefix="portal-slapd-"))
    demo_keys.prepare(folder)
    pem = (folder / "demo-directory.pem").read_text()
    plain, secure = free_port(), free_port()
    for name in ("config", "data"):
        (folder / name).mkdir()
    (folder / "config.ldif").write_text(_config(folder).replace(PLENTY, size_limit))
    data = _data(members or demo_people.everybody(), folder, passwords) + more
    data = data.replace("pwdMaxFailure: 0", f"pwdMaxFailure: {locks_after}")
    (folder / "data.ldif").write_text(data)
    (folder / "key.pem").write_text(pem)
    slapadd = find_program("slapadd")
    for number, file in (("0", "config.ldif"), ("1", "data.ldif")):
        quick = [] if number == "0" else ["-q"]
        subprocess.run(
            [slapadd, *quick, "-n", number, "-F", folder / "config", "-l", folder / file],
            check=True,
            capture_output=True,
        )
    urls = f"ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{secure}/"
    process = subprocess.Popen(
        [find_program("slapd"), "-d0", "-F", folder / "config", "-h", urls],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(secure)
        yield Slapd(secure, folder, _ldap_settings(folder, (f"ldaps://localhost:{secure}",)))
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _ldap_settings(folder: Path, urls: tuple[str, ...]) -> LdapSettings:
    return LdapSettings(
        urls=urls,
        ca_file=str(folder / "demo-directory-ca.pem"),
        bind_dn=demo_people.SERVICE,
        bind_password_file=str(folder / "demo-directory-password"),
        user_bases=(demo_people.PEOPLE, demo_people.CONTRACTORS),
        group_base=demo_people.GROUPS,
        role_groups=("portal-hr=hr", "portal-authors=author", "portal-admins=admin"),
        custodian_group="portal-custodians",
        password_help_url="/people/cannot-sign-in",
    )


def _text(value: object) -> str:
    return ";".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _config(folder: Path) -> str:
    schemas = Path("/etc/ldap/schema")
    included = "\n".join(
        f"include: file://{schemas / name}.ldif\n" for name in ("core", "cosine", "inetorgperson")
    )
    return f"""dn: cn=config
objectClass: olcGlobal
cn: config
olcTLSCertificateFile: {folder}/demo-directory.pem
olcTLSCertificateKeyFile: {folder}/key.pem
olcSecurity: ssf=128 simple_bind=128

dn: cn=module{{0}},cn=config
objectClass: olcModuleList
cn: module{{0}}
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: ppolicy

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

{included}
dn: cn=city,cn=schema,cn=config
objectClass: olcSchemaConfig
cn: city
olcAttributeTypes: ( 1.3.6.1.4.1.99999.1.1 NAME 'hireDate' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcAttributeTypes: ( 1.3.6.1.4.1.99999.1.2 NAME 'contractEnd' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcAttributeTypes: ( 1.3.6.1.4.1.99999.1.3 NAME 'unionScope' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
olcObjectClasses: ( 1.3.6.1.4.1.99999.2.1 NAME 'cityPerson' SUP top AUXILIARY
  MAY ( hireDate $ contractEnd $ unionScope ) )

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config

dn: olcDatabase={{1}}mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: {{1}}mdb
olcDbDirectory: {folder}/data
olcSuffix: {demo_people.BASE}
olcRootDN: {ROOT}
olcRootPW: {ROOT_PASSWORD}
olcDbIndex: objectClass,uid,mail,entryUUID,member,manager eq
olcDbMaxSize: 104857600
olcSizeLimit: {PLENTY}
olcAccess: to attrs=userPassword by anonymous auth by * none
olcAccess: to * by dn.exact="{demo_people.SERVICE}" read by * none

dn: olcOverlay={{0}}ppolicy,olcDatabase={{1}}mdb,cn=config
objectClass: olcOverlayConfig
objectClass: olcPPolicyConfig
olcOverlay: {{0}}ppolicy
olcPPolicyDefault: cn=policy,{demo_people.BASE}
olcPPolicyUseLockout: TRUE
"""


def _data(members: Iterable[Member], folder: Path, passwords: Mapping[str, str]) -> str:
    blocks = [
        f"dn: {demo_people.BASE}\nobjectClass: organization\nobjectClass: dcObject\no: Demo\n"
        f"dc: portal",
        f"dn: cn=policy,{demo_people.BASE}\nobjectClass: person\nobjectClass: pwdPolicy\n"
        "cn: policy\nsn: policy\npwdAttribute: userPassword\npwdMustChange: TRUE\n"
        "pwdLockout: TRUE\npwdMaxFailure: 0\npwdAllowUserChange: TRUE",
    ]
    folders = (
        demo_people.PEOPLE,
        demo_people.CONTRACTORS,
        demo_people.GROUPS,
        f"ou=services,{demo_people.BASE}",
    )
    blocks += [f"dn: {dn}\nobjectClass: organizationalUnit" for dn in folders]
    password = (folder / "demo-directory-password").read_text()
    blocks.append(
        f"dn: {demo_people.SERVICE}\nobjectClass: person\nsn: portal\nuserPassword: {password}"
    )
    by_name = {member.username: member for member in members}
    groups: dict[str, list[str]] = {}
    for member in by_name.values():
        for group in member.groups:
            groups.setdefault(group, []).append(member.dn)
        own = passwords.get(member.username, demo_people.PASSWORD)
        blocks.append(_member(member, by_name, own))
    for group, dns in groups.items():
        inside = "\n".join(f"member: {dn}" for dn in dns)
        blocks.append(f"dn: cn={group},{demo_people.GROUPS}\nobjectClass: groupOfNames\n{inside}")
    return "\n\n".join(blocks) + "\n"


def _member(member: Member, by_name: Mapping[str, Member], password: str) -> str:
    values = {
        "cn": member.full_name,
        "givenName": member.given,
        "sn": member.family,
        "title": member.title,
        "departmentNumber": member.department,
        "employeeType": member.kind,
        "hireDate": member.started_on.isoformat(),
        "l": member.location,
        "unionScope": member.union_scope,
        "entryUUID": member.id,
        "userPassword": password,
    }
    if member.mail:
        values["mail"] = member.mail
    if member.manager:
        values["manager"] = by_name[member.manager].dn
    if member.ends_on:
        values["contractEnd"] = member.ends_on.isoformat()
    if member.state == "must-change":
        values["pwdReset"] = "TRUE"
    if member.state == "disabled":
        values["pwdAccountLockedTime"] = PERMANENTLY_LOCKED
    lines = [f"dn: {member.dn}", "objectClass: inetOrgPerson", "objectClass: cityPerson"]
    lines += [f"{name}:: {b64encode(value.encode()).decode()}" for name, value in values.items()]
    return "\n".join(lines)


@dataclass
class Mailbox:
    """A running mail server with what it took, and what it is to do wrong."""

    port: int = 0
    ca_file: str = ""
    letters: list[EmailMessage] = field(default_factory=list)
    recipient_says: dict[str, str] = field(default_factory=dict)  # address -> reply
    data_says: list[str] = field(default_factory=list)  # replies to the next letters
    drops_after_data: int = 0  # takes so many letters and hangs up before it answers
    waits: float = 0  # seconds before it answers a letter
    connections: int = 0

    async def handle_EHLO(
        self,
        _server: SMTP,
        session: Session,
        _envelope: Envelope,
        hostname: str,
        replies: list[str],
    ) -> list[str]:
        """Somebody is there."""
        session.host_name = hostname
        self.connections += 1
        return replies

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        """Take or refuse one recipient."""
        if address in self.recipient_says:
            return self.recipient_says[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Take or refuse one letter."""
        if self.waits:
            await asyncio.sleep(self.waits)
        if self.data_says:
            reply = self.data_says.pop(0)
            if not reply.startswith("2"):
                return reply
        self.letters.append(message_from_bytes(envelope.content or b"", policy=default))
        if self.drops_after_data:
            self.drops_after_data -= 1
            server.transport.abort()
        return "250 Kept"


@contextmanager
def smtp(*, tls: bool = True, letters_need_tls: bool = False) -> Iterator[Mailbox]:
    """A mail server on loopback; with `tls` it offers STARTTLS for `localhost`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context = None
        mailbox = Mailbox()
        if tls:
            mailbox.ca_file = str(demo_keys.make_certificate(folder))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "demo-directory.pem")
        controller = Controller(
            mailbox,
            hostname="localhost",
            port=free_port(),
            tls_context=context,
            require_starttls=letters_need_tls,
        )
        controller.start()
        mailbox.port = controller.port
        try:
            # The certificate's authority has to be there as long as the server is.
            yield mailbox
        finally:
            controller.stop()
