"""A TCP proxy that behaves as badly as a network can."""

import contextlib
import socket
import struct
import threading
import time
from typing import Self

DRIP_SECONDS = 0.3
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: throw away what is unsent, answer with RST


class Proxy:
    """Stands before a port of this machine. `mode` may be changed while connections are open.

    pass: hand everything through. silent: take everything, give nothing back. drip: give back
    one byte at a time. cut: close in the middle of a message, after `after` bytes. reset: as
    cut, with RST. garbage: answer with what is no LDAP and no TLS.
    """

    def __init__(self, target: int, mode: str = "pass", *, after: int = 0) -> None:
        self.target, self.mode, self.after = target, mode, after
        self.accepted = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close every open connection, as a server does that restarts or finds them idle."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(client)
            if self.mode == "garbage":
                client.sendall(b"\x30\x84\xff\xff\xff\xff\x00HTTP/1.1 400 Bad Request\r\n\r\n" * 9)
                continue
            if self.mode == "reset" and not self.after:
                self._reset(client)
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self._open.append(server)
            for job in ((self._to_server, client, server), (self._to_client, server, client)):
                threading.Thread(target=job[0], args=job[1:], daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        given = 0
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.mode == "silent":
                    continue
                if self.mode in {"cut", "reset"} and given + len(data) > self.after:
                    client.sendall(data[: max(0, self.after - given)])
                    if self.mode == "reset":
                        self._reset(client)
                    break
                if self.mode == "drip":
                    for byte in data:
                        client.sendall(bytes([byte]))
                        time.sleep(DRIP_SECONDS)
                else:
                    client.sendall(data)
                given += len(data)
            client.shutdown(socket.SHUT_RDWR)

    def _reset(self, client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RD)  # wakes who still reads: only the last close resets
        time.sleep(0.02)
        client.close()


@contextlib.contextmanager
def black_hole():
    """A port that answers no SYN: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]
