"""What may go wrong on the way to the directory, and how long a person waits then at most."""

import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from portal.people import demo_directory, demo_people
from portal.people.demo_directory import BIND_DONE, SEARCH_DONE
from portal.people.demo_people import PASSWORD
from portal.people.directory import AccountClosed, Misbehaving, Unreachable, WrongCredentials
from tests import servers
from tests.people.conftest import running_demo
from tests.people.proxy import Proxy, black_hole

BUSY_SECONDS = 2  # for a machine that runs other tests at the same time


@contextmanager
def at_most(seconds):
    """Fail when the block takes longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began <= seconds + BUSY_SECONDS


def sign_in(directory):
    """Avery signs in; the directory must say who they are."""
    assert directory.authenticate("avery.chen", PASSWORD).username == "avery.chen"


@pytest.fixture
def proxies(demo):
    """Makes proxies before the demo directory; returns their ports with them."""
    with ExitStack() as stack:
        yield lambda mode, **more: stack.enter_context(Proxy(demo.port, mode, **more))


def test_a_closed_port_costs_nothing_when_the_second_server_lives(demo):
    directory = demo.directory(servers.free_port(), demo.port)

    for _ in range(2):
        with at_most(0.5):
            sign_in(directory)


def test_a_directory_that_hangs_holds_up_two_threads_and_no_more(demo, proxies, monkeypatch):
    """A web process has four: people who are signed in go on reading."""
    monkeypatch.setattr("portal.people.ldap.LINE_SECONDS", 0.2)
    proxy = proxies("silent")
    directory = demo.directory(proxy.port, connect_timeout=3, read_timeout=3)
    answers = []

    def try_to_sign_in():
        try:
            directory.authenticate("avery.chen", PASSWORD)
        except Unreachable as fault:
            answers.append(str(fault))

    threads = [threading.Thread(target=try_to_sign_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert proxy.accepted == 2
    assert answers[:2] == ["all lines are busy"] * 2
    assert len(answers) == 4


def test_a_black_hole_costs_one_connect_timeout_and_then_nothing(demo):
    with black_hole() as port:
        directory = demo.directory(port, demo.port, connect_timeout=2, deadline=8)
        with at_most(2.5):
            sign_in(directory)
        with at_most(0.5):
            sign_in(directory)


@pytest.mark.parametrize(
    ("mode", "after"),
    [
        ("silent", 0),
        ("garbage", 0),
        ("reset", 0),
        ("reset", 50),
        ("reset", 1500),
        ("cut", 0),
        ("cut", 5),
        ("cut", 900),
        ("cut", 1300),
        ("cut", 1500),
    ],
)
def test_a_faulty_first_server_costs_a_moment_and_then_nothing(demo, proxies, mode, after):
    faulty = proxies(mode, after=after)
    directory = demo.directory(faulty.port, demo.port)

    with at_most(1.5):
        sign_in(directory)
    knocked = faulty.accepted
    with at_most(0.5):
        sign_in(directory)
    assert faulty.accepted == knocked > 0


@pytest.mark.parametrize("mode", ["silent", "drip", "reset", "cut", "garbage"])
def test_a_server_that_fails_when_we_know_it_already_is_left_too(demo, proxies, mode):
    first = proxies("pass")
    directory = demo.directory(first.port, demo.port)
    sign_in(directory)

    first.mode = mode
    if mode in {"reset", "garbage"}:
        first.hang_up()
    for limit in (1.5, 0.5):
        with at_most(limit):
            sign_in(directory)


@pytest.mark.parametrize(("mode", "deadline"), [("silent", 8), ("drip", 2)])
def test_with_all_servers_mute_the_answer_comes_within_the_deadline(demo, proxies, mode, deadline):
    ports = [proxies(mode).port for _ in range(3)]
    directory = demo.directory(*ports, connect_timeout=2, read_timeout=3, deadline=deadline)

    with at_most(deadline + 0.5), pytest.raises(Unreachable, match=r"localhost:\d+: \w+") as raised:
        sign_in(directory)
    assert PASSWORD not in str(raised.value)


def test_starttls_dripping_from_the_first_byte_ends_at_the_deadline(tmp_path):
    with running_demo(tmp_path, ldaps=False) as server, Proxy(server.port, "drip") as proxy:
        directory = server.directory(urls=(f"ldap://localhost:{proxy.port}",), deadline=2)
        with at_most(2.5), pytest.raises(Unreachable):
            sign_in(directory)

    assert server.binds == []


@pytest.mark.parametrize("dripping", [BIND_DONE, SEARCH_DONE])
def test_answers_dripping_inside_tls_end_at_the_deadline(demo, monkeypatch, dripping):
    conversation = demo_directory._Conversation
    send = conversation._send

    def drip(self, kind, *body, **control):
        sent, real = [], self.request
        self.request = SimpleNamespace(sendall=sent.append)
        send(self, kind, *body, **control)
        self.request = real
        for byte in b"".join(sent) if kind == dripping else ():
            real.sendall(bytes([byte]))
            time.sleep(0.3)
        if kind != dripping:
            real.sendall(b"".join(sent))

    directory = demo.directory(deadline=2)
    with monkeypatch.context() as patched:
        patched.setattr(conversation, "_send", drip)
        with at_most(2.5), pytest.raises(Unreachable):
            sign_in(directory)
    with at_most(0.5):
        sign_in(directory)


def test_when_all_servers_are_cooling_down_all_are_asked(demo, proxies):
    first, second = proxies("reset"), proxies("reset")
    directory = demo.directory(first.port, second.port)
    with pytest.raises(Unreachable):
        sign_in(directory)

    second.mode = "pass"
    with at_most(0.5):
        sign_in(directory)


def test_a_server_is_asked_again_after_its_cool_down(demo, proxies):
    first = proxies("reset")
    directory = demo.directory(first.port, demo.port, cooldown=0)
    sign_in(directory)

    first.mode = "pass"
    knocked = first.accepted
    sign_in(directory)
    assert first.accepted > knocked


def test_an_idle_hang_up_is_not_noticed(demo, proxies):
    only = proxies("pass")
    directory = demo.directory(only.port)
    sign_in(directory)

    only.hang_up()
    with at_most(0.5):
        sign_in(directory)
    with at_most(0.5):
        assert directory.find(demo_people.CAST[0].id)


def test_a_connection_idle_for_long_is_not_trusted(demo, proxies, monkeypatch):
    only = proxies("pass")
    directory = demo.directory(only.port)
    sign_in(directory)
    knocked = only.accepted
    sign_in(directory)
    assert only.accepted == knocked + 1  # the person's own bind; the service's is kept

    monkeypatch.setattr("portal.people.ldap_line.IDLE_SECONDS", -1)
    sign_in(directory)
    assert only.accepted > knocked + 3


def test_a_restart_of_the_directory_is_not_noticed(tmp_path):
    with running_demo(tmp_path) as before, Proxy(before.port) as address:
        directory = before.directory(address.port)
        sign_in(directory)
        with running_demo(tmp_path) as after:
            address.target = after.port
            address.hang_up()
            with at_most(0.5):
                sign_in(directory)


def test_everyone_is_all_or_nothing_when_the_server_dies_in_the_middle(demo, proxies):
    only = proxies("cut", after=40_000)
    directory = demo.directory(only.port, page_size=50)

    with pytest.raises(Unreachable):
        list(directory.everyone())


def test_a_wrong_password_is_asked_of_one_server_only(demo, tmp_path):
    with running_demo(tmp_path) as second:
        directory = demo.directory(demo.port, second.port)
        for username in ("avery.chen", "drew.former", "nobody.here"):
            with pytest.raises((WrongCredentials, AccountClosed)):
                directory.authenticate(username, "not-" + PASSWORD)

    assert second.binds == []
    assert demo.binds.count("not-" + PASSWORD) >= 3


def test_an_unknown_name_costs_a_bind_like_a_known_one(demo):
    directory = demo.directory()
    sign_in(directory)
    counts = []
    for username in ("avery.chen", "nobody.here"):
        before = len(demo.binds)
        with pytest.raises(WrongCredentials):
            directory.authenticate(username, "wrong")
        counts.append(len(demo.binds) - before)

    assert counts == [1, 1]


# Certificates: nothing may be sent to a server that is not the right one.


def make_server_pem(folder, *, name="localhost", days=10, trusted_by=None):
    """A certificate with its own key, written as the demo server's; self-signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=20))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "demo-directory.pem").write_bytes(private + public)
    (folder / "demo-directory-ca.pem").write_bytes(trusted_by or public)


@pytest.mark.parametrize("ldaps", [True, False], ids=["ldaps", "starttls"])
@pytest.mark.parametrize("fault", ["expired", "wrong host", "untrusted", "missing", "garbage"])
def test_no_password_goes_to_a_server_that_is_not_proven(tmp_path, demo, fault, ldaps):
    foreign = Path(demo.settings.ca_file).read_bytes()
    make_server_pem(
        tmp_path,
        name="directory.example" if fault == "wrong host" else "localhost",
        days=-1 if fault == "expired" else 10,
        trusted_by=foreign if fault == "untrusted" else None,
    )
    with running_demo(tmp_path, ldaps=ldaps) as server:
        authority = tmp_path / "demo-directory-ca.pem"
        if fault == "missing":
            authority.unlink()
        elif fault == "garbage":
            authority.write_text("no certificate")
        with at_most(1), pytest.raises((Unreachable, Misbehaving)):
            sign_in(server.directory())

    assert server.binds == []


def test_the_certificates_of_these_tests_are_good_but_for_their_fault(tmp_path):
    make_server_pem(tmp_path)
    with running_demo(tmp_path) as server:
        sign_in(server.directory())


def test_plain_ldap_is_encrypted_by_starttls_first(tmp_path):
    with running_demo(tmp_path, ldaps=False) as server:
        sign_in(server.directory())

    assert len(server.binds) == 2


class Refusing(threading.Thread):
    """A server without StartTLS; keeps all that it was sent."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.answer = answer
        self.heard = b""

    def run(self):
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(2)
                while data := self.listen_to(client):
                    self.heard += data
                    number = data[4:5]
                    client.sendall(self.answer.replace(b"N", number))

    def listen_to(self, client):
        try:
            return client.recv(4096)
        except OSError:
            return b""


@pytest.mark.parametrize(
    "code", [0x02, 0x34, 0x35], ids=["protocol error", "unavailable", "unwilling"]
)
def test_no_password_goes_to_a_server_that_refuses_starttls(demo, code):
    answer = b"\x30\x0c\x02\x01N\x78\x07\x0a\x01" + bytes([code]) + b"\x04\x00\x04\x00"
    server = Refusing(answer)
    server.start()
    port = server.listener.getsockname()[1]
    directory = demo.directory(urls=(f"ldap://localhost:{port}",))

    with at_most(1), pytest.raises((Unreachable, Misbehaving)):
        sign_in(directory)
    server.listener.close()
    secret = Path(demo.settings.bind_password_file).read_bytes()
    assert demo_directory.START_TLS.encode() in server.heard
    assert PASSWORD.encode() not in server.heard
    assert secret not in server.heard
    assert demo_people.SERVICE.encode() not in server.heard


def test_a_missing_password_file_of_the_service_account_is_no_answer(demo, tmp_path):
    directory = demo.directory(bind_password_file=str(tmp_path / "none"))

    with pytest.raises((Unreachable, Misbehaving)):
        sign_in(directory)


# The demo server itself, byte by byte.


def encrypted(demo):
    context = ssl.create_default_context(cafile=demo.settings.ca_file)
    plain = socket.create_connection(("127.0.0.1", demo.port), timeout=2)
    return context.wrap_socket(plain, server_hostname="localhost")


def bind_request(dn, password):
    body = b"\x02\x01\x03" + bytes([4, len(dn)]) + dn + bytes([0x80, len(password)]) + password
    request = b"\x02\x01\x01" + bytes([0x60, len(body)]) + body
    return bytes([0x30, len(request)]) + request


DEEP = b"\x30\x03\x02\x01\x01"
for _ in range(3000):
    size = len(DEEP).to_bytes(3, "big")
    DEEP = b"\xa2\x83" + size + DEEP


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x30",
        b"\x30\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\xff" + b"\xff" * 127,
        b"\x30\x05\x02\x01\x01\x60\x7f",
        b"\x30\x05\x02\x01\x01\x60\x00",
        b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00",
        b"\x30\x06\x02\x01\x01\x77\x01\xff",
        b"\x30\x07\x02\x01\x01\x42\x00\x00\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 5000,
        b"\x30\x84" + len(DEEP).to_bytes(4, "big") + DEEP,
        bind_request(b"cn=portal,ou=services,dc=portal,dc=demo", "½".encode()),
        bind_request(b"\xff\xfe", b"\xff"),
    ],
    ids=range(17),
)
def test_bytes_that_are_no_ldap_do_not_end_the_demo_server(demo, data, capfd):
    with encrypted(demo) as raw:
        raw.sendall(data)
        raw.settimeout(0.2)
        with suppress(OSError):
            raw.recv(100)
    with socket.create_connection(("127.0.0.1", demo.port)) as plain:
        plain.sendall(data)

    sign_in(demo.directory())
    assert "Traceback" not in capfd.readouterr().err


def test_the_demo_server_answers_nobody_who_is_not_bound(demo):
    search = b"\x30\x25\x02\x01\x01\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00"
    search += b"\x01\x01\x00\x87\x0bobjectClass\x30\x00"
    with encrypted(demo) as raw:
        raw.sendall(search)
        answer = raw.recv(100)
    assert answer.endswith(b"\x0a\x01\x32\x04\x00\x04\x0abind first")
