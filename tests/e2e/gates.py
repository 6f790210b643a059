"""What stands between the service and an engine, so that a test can take the engine away and keep what it holds."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

BLOCK = 65536


class Gate:
    """A port that leads to another one. Closed, connections are cut and new ones refused, as by a server that is gone.

    The port is ours from the beginning, open or not.
    """

    def __init__(self) -> None:
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port = int(self._held.getsockname()[1])
        self._behind = 0
        self._door: socket.socket | None = None
        self._lock, self._open = threading.Lock(), set[socket.socket]()

    def open(self, behind: int) -> None:
        self._behind = behind
        self._door = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._let_in, args=(self._door,), name="gate", daemon=True).start()

    def close(self) -> None:
        door, self._door = self._door, None
        if door is not None:
            _cut(door)
        with self._lock:
            while self._open:
                _cut(self._open.pop())

    @contextmanager
    def closed(self) -> Iterator[None]:
        self.close()
        try:
            yield
        finally:
            self.open(self._behind)

    def leave(self) -> None:
        self.close()
        self._held.close()

    def _let_in(self, door: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                visitor, _ = door.accept()
                self._connect(visitor, door)

    def _connect(self, visitor: socket.socket, door: socket.socket) -> None:
        try:
            inside = socket.create_connection(("127.0.0.1", self._behind), timeout=5)
        except OSError:
            _cut(visitor)
            return
        inside.settimeout(None)
        with self._lock:
            self._open |= {visitor, inside}
            if self._door is not door:  # closed meanwhile
                _cut(visitor, inside)
        for pair in ((visitor, inside), (inside, visitor)):
            threading.Thread(target=self._carry, args=pair, name="gate", daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(BLOCK):
                target.sendall(data)
        with self._lock:
            self._open -= {source, target}
        _cut(source, target)


def _cut(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for it
        each.close()


class FullStore:
    """An S3 store that can be `full`: it takes no file then, and gives and deletes as ever."""

    full = False

    def __init__(self, behind: int) -> None:
        handler = type("Handler", (_Handler,), {"behind": behind, "is_full": lambda _: self.full})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, name="store", daemon=True).start()

    def leave(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Every request goes on as it came, so that its signature holds."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    behind: ClassVar[int]
    is_full: Callable[[], bool]

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        takes = self.command == "PUT" or (self.command == "POST" and "delete" not in self.path)
        if takes and self.is_full():
            self._answer(507, [("Content-Type", "text/plain")], b"no room")
            return
        inside = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        try:
            inside.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                inside.putheader(name, value)
            inside.endheaders(body or None)
            found = inside.getresponse()
            self._answer(found.status, found.getheaders(), found.read())
        finally:
            inside.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815 - names that http.server calls

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)
