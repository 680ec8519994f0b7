"""A real OpenID Connect provider (npm's oidc-provider) on this machine, for tests."""

import fcntl
import json
import os
import re
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

from tests.servers import find_program

FOLDER = Path(__file__).parent / "provider"
SECONDS = 20  # for the start, and for each answer
REDIRECTS = {301, 302, 303, 307, 308}

Claims = Mapping[str, object]


@dataclass(frozen=True)
class Provider:
    """A running provider with one client that has to use PKCE."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    port: int

    @property
    def metadata_url(self) -> str:
        """Where it describes itself."""
        return f"{self.issuer}/.well-known/openid-configuration"

    @contextmanager
    def lying(self, **claims: object) -> Iterator[None]:
        """Every ID token has these claims instead of the true ones; None leaves one out.

        `alg="none"` leaves out the signature, `alg="HS256"` signs with the public key as a
        secret, `key="other"` signs with a key that is not published.
        """
        self._tell(claims)
        try:
            yield
        finally:
            self._tell({})

    def _tell(self, claims: Claims) -> None:
        requests.put(
            f"{self.issuer}/lies", data=json.dumps(claims), timeout=SECONDS
        ).raise_for_status()


@contextmanager
def provider(
    accounts: Mapping[str, Claims], redirect_uri: str, *, port: int = 0
) -> Iterator[Provider]:
    """Start the provider. `accounts`: what is typed on its login page, and the claims, with sub."""
    _install()
    client_id, client_secret = "portal", "provider-tests-only-0123456789abcdef"
    settings = {
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uri": redirect_uri,
        "accounts": {login: dict(claims) for login, claims in accounts.items()},
    }
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [find_program("node"), "provider.mjs", str(port)],
            cwd=FOLDER,
            env={**os.environ, "PROVIDER_SETTINGS": json.dumps(settings)},
            stdin=subprocess.PIPE,  # closed when this process ends, however it ends
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            port = _wait_until_ready(process)
            if not port:
                log.seek(0)
                raise RuntimeError(f"The provider did not start: {log.read()}")
            yield Provider(f"http://localhost:{port}", client_id, client_secret, redirect_uri, port)
        finally:
            process.terminate()
            process.wait(SECONDS)


def walk_login(
    http: requests.Session, authorization_url: str, login: str | None, *, ago: int = 0
) -> str:
    """Go through the provider's pages as a browser does; the address that it sends back to.

    `http` holds the provider's cookies: with the same one, a second walk needs no login page. A
    `login` of None says that no login page may come; `ago` is how many seconds ago, says the
    provider, the password was typed.
    """
    url = authorization_url
    (home,) = parse_qs(urlsplit(url).query)["redirect_uri"]
    answer = http.get(url, allow_redirects=False, timeout=SECONDS)
    for _ in range(10):
        if answer.status_code in REDIRECTS:
            url = urljoin(url, answer.headers["Location"])
            if url.split("?")[0] == home:
                return url
            answer = http.get(url, allow_redirects=False, timeout=SECONDS)
            continue
        if "forms[0].submit()" in answer.text:  # signs out whom the next person replaces
            action, form = _only_form(answer.text)
            answer = http.post(action, form, allow_redirects=False, timeout=SECONDS)
            continue
        if answer.status_code != 200 or 'name="login"' not in answer.text:
            raise RuntimeError(f"The provider says {answer.status_code}: {answer.text}")
        if login is None:
            raise RuntimeError("The provider asks for a login.")
        form = {"login": login, "password": "any", "ago": str(ago)}
        answer = http.post(url, form, allow_redirects=False, timeout=SECONDS)
    raise RuntimeError(f"The provider goes round in circles at {url}")


def _only_form(page: str) -> tuple[str, dict[str, str]]:
    (action,) = re.findall(r'<form method="post" action="([^"]+)"', page)
    inputs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return unescape(action), {name: unescape(value) for name, value in inputs}


def _wait_until_ready(process: subprocess.Popen[str]) -> int:
    """The port, or 0 when it ended or took too long."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], SECONDS)
    words = process.stdout.readline().split() if readable else []
    return int(words[1]) if words else 0


def _install() -> None:
    """Install what package-lock.json names, once; other test processes wait for it."""
    lock_file = FOLDER / "package-lock.json"
    stamp = FOLDER / "node_modules" / ".installed"
    with lock_file.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        wanted = file.read()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        subprocess.run(
            [find_program("npm"), "ci", "--silent", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            check=True,
            capture_output=True,
        )
        stamp.write_text(wanted)
