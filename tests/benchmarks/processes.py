"""The processes of a run: the fixed server, and workers that are asked to measure by a line and answer by one."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import machine

from horizon.simulation.certificate import Certificate, certificate_in

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / ".bench"
"""Git-ignored: environments of peers, the certificate, journals of a run."""


class BenchmarkFailed(Exception):
    """A child process did not do its part; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Which CPU the measured process gets, and which one the server; the same where there is one only."""

    measured: int | None
    server: int | None

    @classmethod
    def here(cls) -> "Places":
        cpus = machine.usable_cpus()
        return cls(measured=cpus[0], server=cpus[-1]) if cpus else cls(measured=None, server=None)


def cpu_argument(cpu: int | None) -> list[str]:
    return [] if cpu is None else [str(cpu)]


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the fixed server listens, and what proves who it is."""

    port: str
    certificate: Certificate


@contextmanager
def fixed_server(places: Places) -> Iterator[Server]:
    """A server that runs while the block does."""
    certificate = certificate_in(WORK / "certificate", name="Horizon benchmarks")
    arguments = [str(certificate.path), str(certificate.key_path), *cpu_argument(places.server)]
    with _child([sys.executable, "fixed_server.py", *arguments]) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise BenchmarkFailed("the fixed server did not start")
        yield Server(port=port, certificate=certificate)


@dataclass(frozen=True, kw_only=True)
class Timings:
    """What a worker measured: microseconds per call, seconds for all, and the CPU seconds of its process."""

    microseconds: list[float]
    seconds: float
    cpu: float


class Worker:
    """A process that measures on demand."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self._name = name
        self._process = process

    def measure(self, **order: object) -> Timings:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise BenchmarkFailed(f"{self._name} ended while it was asked for {order}")
        return Timings(**json.loads(answer))


@contextmanager
def worker(python: str | Path, script: str, *arguments: str) -> Iterator[Worker]:
    """A worker that lives while the block does."""
    with _child([str(python), script, *arguments]) as process:
        yield Worker(script, process)


def once(script: str, *arguments: str) -> Mapping[str, object]:
    """The JSON object that a script prints."""
    ended = subprocess.run([sys.executable, HERE / script, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        raise BenchmarkFailed(f"{script} {' '.join(arguments)} ended with status {ended.returncode}")
    answer: Mapping[str, object] = json.loads(ended.stdout)
    return answer


@contextmanager
def _child(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that is told to end by the end of its input, and is ended when it does not listen."""
    command[1] = str(HERE / command[1])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
