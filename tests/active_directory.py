"""A throw-away Active Directory domain: Samba, in a network of its own.

Samba's LDAP ports are fixed. It runs in its own network namespace, and this module, run in there
as a program, passes on what comes in at two free ports of ours. So several can run at once, and
root is not needed where user namespaces are allowed.
"""

import asyncio
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ldap3 import BASE as ONE
from ldap3 import MODIFY_ADD, MODIFY_REPLACE, NONE, Connection, Server
from ldap3.core.exceptions import LDAPException
from ldap3.utils.dn import escape_rdn

from portal.config import AD_DEFAULTS, LdapSettings
from portal.people import demo_keys
from tests.servers import find_program

REALM = "ad.city.example"
BASE = "DC=ad,DC=city,DC=example"
STAFF, CONTRACTORS, ROLES = (f"OU={name},{BASE}" for name in ("Staff", "Contractors", "Roles"))
PASSWORD = "Portal-demo-1"
ODD_PASSWORD = "½ Prüfung, ﬁ²"
ODD_NAME = "Łukasz Nguyễn-O’Neill"
HOSTILE_NAME = 'Last, First "Q" #1; <a>+b=c\\d (x*)'
LAST_DAY = datetime(2031, 6, 30, tzinfo=UTC).date()
TRIES = 6  # wrong passwords until an account is locked
NORMAL, DISABLED, COMPUTER = 0x200, 0x202, 0x1000  # userAccountControl
SECURITY, DISTRIBUTION = -2147483646, 2  # groupType: global

DEBIANS_PYTHON = "/usr/bin/python3"  # has Samba's modules
# `samba-tool` does the same, but sets file owners too,
# which needs root.
PROVISION = f"""
import logging, sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.provision import provision
folder, password = sys.argv[1:]
settings = LoadParm()
settings.load(folder + "/smb.conf")
provision(
    logging.getLogger(), system_session(), smbconf=folder + "/smb.conf", lp=settings,
    targetdir=folder + "/domain", realm="{REALM}", domain="CITY", hostname="localhost",
    hostip="127.0.0.1", adminpass=password, serverrole="active directory domain controller",
    dns_backend="NONE", dom_for_fun_level=4, skip_sysvolacl=True,
)
"""

# Passwords expire after 42 days, and a day at least. Over LDAP, none can be made older.
AGE_PASSWORD = """
import sys, ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
folder, dn, moment = sys.argv[1:]
settings = LoadParm()
settings.load(folder + "/domain/etc/smb.conf")
database = SamDB(folder + "/domain/private/sam.ldb", session_info=system_session(), lp=settings)
change = ldb.Message(ldb.Dn(database, dn))
change["pwdLastSet"] = ldb.MessageElement(moment, ldb.FLAG_MOD_REPLACE, "pwdLastSet")
bypass_password_hash = "local_oid:1.3.6.1.4.1.7165.4.3.12:1"
database.modify(change, controls=[bypass_password_hash])
"""


@dataclass(frozen=True)
class Samba:
    """A running domain controller with people in every state."""

    plain_port: int
    folder: Path
    settings: LdapSettings
    admin: Connection

    def add(self, dn: str, kind: str, **values: object) -> None:
        """Add an entry."""
        self.admin.add(dn, kind, values)
        self.check()

    def modify(self, dn: str, **values: object) -> None:
        """Replace attributes."""
        self.admin.modify(dn, {name: [(MODIFY_REPLACE, [new])] for name, new in values.items()})
        self.check()

    def join(self, group: str, dn: str) -> None:
        """Make an entry a member of a group."""
        self.admin.modify(f"CN={group},{ROLES}", {"member": [(MODIFY_ADD, [dn])]})
        self.check()

    def move(self, dn: str, rdn: str, below: str) -> None:
        """Rename an entry and move it."""
        self.admin.modify_dn(dn, rdn, new_superior=below)
        self.check()

    def person(
        self,
        name: str,
        login: str,
        *,
        base: str = STAFF,
        password: str = PASSWORD,
        **values: object,
    ) -> str:
        """Add a person; returns the DN."""
        dn = f"CN={escape_rdn(name)},{base}"
        own: dict[str, object] = {
            "sAMAccountName": login,
            "userPrincipalName": f"{login}@{REALM}",
            "mail": f"{login}@city.example",
            "displayName": name,
            "sn": name.rsplit(maxsplit=1)[-1],
            "unicodePwd": f'"{password}"'.encode("utf-16-le"),
            "userAccountControl": NORMAL,
        }
        self.add(dn, "user", **own | values)
        return dn

    def check(self) -> None:
        """Raise RuntimeError if the last change did not succeed."""
        if self.admin.result["result"] != 0:
            raise RuntimeError(str(self.admin.result))


def filetime(moment: datetime) -> int:
    """A moment as Active Directory writes it."""
    return (moment - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10


@contextmanager
def samba() -> Iterator[Samba]:
    """A domain controller on loopback, made anew. Raises RuntimeError where that can't be."""
    for name in ("samba", "unshare"):
        find_program(name)
    folder = Path(tempfile.mkdtemp(prefix="portal-samba-"))
    ca_file = demo_keys.make_certificate(folder)
    pem = folder / "demo-directory.pem"
    (folder / "service-password").write_text(PASSWORD)
    (folder / "smb.conf").write_text(
        "[global]\nserver services = ldap\nlogging = file\n"
        f"log file = {folder}/samba.log\npid directory = {folder}\nncalrpc dir = {folder}/rpc\n"
        f"tls keyfile = {pem}\ntls certfile = {pem}\ntls cafile = {ca_file}\n"
    )
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    plain, secure = (one.getsockname()[1] for one in sockets)
    inside = [sys.executable, "-m", "tests.active_directory", str(folder)]
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            ["unshare", *as_root, "--net", "--pid", "--fork", "--kill-child", *inside]
            + [str(one.fileno()) for one in sockets],
            pass_fds=[one.fileno() for one in sockets],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parent.parent,
        )
    try:
        for one in sockets:
            one.close()
        admin = _admin(secure, process, folder)
        settings = LdapSettings(
            urls=(f"ldaps://localhost:{secure}",),
            ca_file=str(ca_file),
            kind="ad",
            bind_dn=f"CN=svc-portal,CN=Users,{BASE}",
            bind_password_file=str(folder / "service-password"),
            user_bases=(STAFF, CONTRACTORS),
            group_base=ROLES,
            deadline=20,  # two cores may be busy
            **AD_DEFAULTS,
        )
        running = Samba(plain, folder, settings, admin)
        _fill(running)
        yield running
    finally:
        process.kill()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _admin(port: int, process: subprocess.Popen[bytes], folder: Path) -> Connection:
    """The administrator's connection, as soon as the domain is there."""
    until = time.monotonic() + 120
    server = Server("127.0.0.1", port=port, use_ssl=True, get_info=NONE, connect_timeout=5)
    while time.monotonic() < until and process.poll() is None:
        admin = Connection(server, f"administrator@{REALM}", PASSWORD, receive_timeout=20)
        with suppress(LDAPException):
            if admin.bind():
                return admin
        time.sleep(0.1)
    raise RuntimeError("Samba did not start: " + (folder / "output").read_text()[-2000:])


def _fill(domain: Samba) -> None:
    """People in every state, and groups."""
    for name in (STAFF, CONTRACTORS, ROLES):
        domain.add(name, "organizationalUnit")
    domain.modify(BASE, lockoutThreshold=TRIES)
    domain.person("svc-portal", "svc-portal", base=f"CN=Users,{BASE}")
    boss = domain.person("Morgan Dubois", "morgan", department="Transit", title="Manager")
    domain.person("Avery Chen", "avery", department="Transit", title="Analyst", manager=boss)
    domain.person("Riley Okafor", "riley", pwdLastSet=0)
    _age_password(domain, domain.person("Stella Stale", "stella"))
    domain.person("Drew Former", "drew", userAccountControl=DISABLED)
    past = datetime.now(UTC) - timedelta(days=2)
    domain.person("Evan Past", "evan", accountExpires=filetime(past))
    # What the console writes for "end of 30 June" in Alberta: the midnight after it.
    ends = datetime(2031, 7, 1, 6, tzinfo=UTC)
    domain.person(
        "Casey Novak",
        "casey",
        base=CONTRACTORS,
        employeeType="Contractor",
        accountExpires=filetime(ends),
        manager=boss,
    )
    domain.person(ODD_NAME, "lukasz", password=ODD_PASSWORD)
    hostile = domain.person(HOSTILE_NAME, "hostile")
    domain.person("Paula Report", "paula", manager=hostile)
    nested = domain.person("Nia Nested", "nia")
    primary = domain.person("Pria Primary", "pria")
    listed = domain.person("Lisa Listed", "lisa")
    for group in ("portal-hr", "portal-authors", "outer", "inner", "officers", "Rats, (all) *"):
        domain.add(
            f"CN={escape_rdn(group)},{ROLES}", "group", sAMAccountName=group.split(",")[0],
            groupType=SECURITY,
        )  # fmt: skip
    domain.add(f"CN=news,{ROLES}", "group", sAMAccountName="news", groupType=DISTRIBUTION)
    domain.join("portal-hr", f"CN=outer,{ROLES}")
    domain.join("outer", f"CN=inner,{ROLES}")
    domain.join("inner", f"CN=outer,{ROLES}")  # a loop
    domain.join("inner", nested)
    domain.join("inner", hostile)
    domain.join("portal-authors", f"CN=officers,{ROLES}")
    domain.join("portal-authors", f"CN=news,{ROLES}")
    domain.join("news", listed)
    domain.join("officers", primary)
    domain.admin.search(f"CN=officers,{ROLES}", "(objectClass=*)", ONE, attributes=["objectSid"])
    sid = domain.admin.response[0]["raw_attributes"]["objectSid"][0]
    domain.modify(primary, primaryGroupID=int.from_bytes(sid[-4:], "little"))
    domain.add(f"CN=PC-1,{STAFF}", "computer", sAMAccountName="PC-1$", userAccountControl=COMPUTER)
    locked = domain.person("Lou Locked", "lou")
    for _ in range(TRIES):
        Connection(domain.admin.server, locked, "wrong", receive_timeout=20).bind()


def _age_password(domain: Samba, dn: str) -> None:
    """Make a password older than the policy allows."""
    moment = filetime(datetime.now(UTC) - timedelta(days=50))
    subprocess.run(
        [DEBIANS_PYTHON, "-c", AGE_PASSWORD, domain.folder, dn, str(moment)], check=True, cwd="/"
    )


def _run_inside(folder: Path, *sockets: int) -> None:
    """Make the domain, start Samba and pass on what comes in. Runs in the namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = struct.pack("16sH14s", b"lo", 0x41, b"")  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, up)  # SIOCSIFFLAGS
    subprocess.run([DEBIANS_PYTHON, "-c", PROVISION, folder, PASSWORD], check=True, cwd="/")
    config = folder / "domain/etc/smb.conf"
    subprocess.Popen([find_program("samba"), "-i", "-M", "single", "-s", config], cwd="/")
    asyncio.run(_pass_on(dict(zip(sockets, (389, 636), strict=True))))


async def _pass_on(ports: dict[int, int]) -> None:
    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def to(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                its_reader, its_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:  # not started yet
                writer.close()
                return
            await asyncio.gather(copy(reader, its_writer), copy(its_reader, writer))

        return serve

    for number, port in ports.items():
        await asyncio.start_server(to(port), sock=socket.socket(fileno=number))
    await asyncio.Event().wait()


if __name__ == "__main__":
    _run_inside(Path(sys.argv[1]), *map(int, sys.argv[2:]))
