"""Starting, looking at and ending a gateway, with real processes."""

import asyncio
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from exchanges.ibkr.auth.login_note import LoginNote, LoginPhase, write_login_note
from exchanges.ibkr.gateway_process.configuration import configuration_text
from exchanges.ibkr.gateway_process.log_file import fresh_log, last_lines
from exchanges.ibkr.gateway_process.ports import listener_at
from exchanges.ibkr.gateway_process.processes import Process
from exchanges.ibkr.gateway_process.record import GatewayRecord, gateways_directory, read_record, write_record
from exchanges.ibkr.gateway_process.start import start_gateway
from exchanges.ibkr.gateway_process.status import gateway_status
from exchanges.ibkr.gateway_process.stop import stop_gateway
from horizon.clock import SystemClock
from horizon.errors import ConfigurationError, VenueUnavailable
from horizon.net.known_gateways import known_fingerprint, known_gateways_file, normalized, remember
from horizon.net.tls import fetch_fingerprint

Gateway = Any
"""The FakeGateway of conftest.py."""
HORIZON = [sys.executable, "-c", "from horizon.cli import main; main()"]
CLOCK = SystemClock()


async def start(gateway: Gateway, *, seconds: float = 20, told: list[str] | None = None) -> GatewayRecord:
    lines: list[str] = [] if told is None else told
    return await start_gateway(gateway.path, CLOCK, port=gateway.port, tell=lines.append, seconds=seconds)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc on this system")


async def test_it_starts_answers_is_seen_and_ends_with_everything_that_it_started(gateway: Gateway) -> None:
    told: list[str] = []
    record = await start(gateway, told=told)
    assert len(record.processes) == 2  # the run script, and what it started
    assert "answers at" in told[-1]

    status = await gateway_status(CLOCK, port=gateway.port)
    assert (status.running, status.pid, status.answers) == (True, gateway.pids()[0], True)
    assert (status.is_stock, status.is_trusted, status.signed_in) == (True, True, False)
    assert "sign in at" in status.text

    stopped = await stop_gateway(CLOCK, port=gateway.port)
    assert (stopped.pid, stopped.killed) == (gateway.pids()[0], False)
    assert not any(alive(process.pid) for process in record.processes)
    after = await gateway_status(CLOCK, port=gateway.port)
    assert (after.running, after.answers, after.signed_in) == (False, False, None)
    assert (await stop_gateway(CLOCK, port=gateway.port)).pid is None


async def test_the_embedded_simulator_runs_as_a_gateway_that_is_signed_in(gateway: Gateway) -> None:
    gateway.behaves("simulator")
    await start(gateway)
    status = await gateway_status(CLOCK, port=gateway.port)
    assert status.signed_in
    assert not status.is_stock
    assert (await stop_gateway(CLOCK, port=gateway.port)).pid == gateway.pids()[0]


async def test_a_second_start_uses_the_one_that_runs(gateway: Gateway) -> None:
    first = await start(gateway)
    told: list[str] = []
    assert await start(gateway, told=told) == first
    assert "already" in told[0]
    assert len(gateway.pids()) == 1


async def test_one_that_ends_at_once_is_told_with_the_end_of_its_log_without_secrets(gateway: Gateway) -> None:
    gateway.behaves("exits")
    with pytest.raises(VenueUnavailable, match="loading configuration file error") as error:
        await start(gateway)
    assert "hunter2" not in str(error.value)
    assert str(gateways_directory()) in str(error.value)
    assert read_record(gateway.port) is None


async def test_one_that_stays_silent_is_ended_and_told(gateway: Gateway) -> None:
    gateway.behaves("silent")
    with pytest.raises(VenueUnavailable, match=r"did not answer at port .* and was ended; its log .* to login"):
        await start(gateway, seconds=1)
    assert read_record(gateway.port) is None
    assert not any(alive(pid) for pid in gateway.pids())


async def test_a_start_that_is_given_up_leaves_no_process(gateway: Gateway) -> None:
    gateway.behaves("silent")
    starting = asyncio.create_task(start(gateway))
    await gateway.until(lambda: bool(gateway.pids()))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not any(alive(pid) for pid in gateway.pids())


async def test_a_command_that_is_ended_while_it_waits_takes_the_gateway_with_it(gateway: Gateway) -> None:
    gateway.behaves("silent")
    process = await asyncio.create_subprocess_exec(
        *HORIZON, "ibkr", "gateway", "start", "--dir", str(gateway.path), "--port", str(gateway.port),
        stderr=subprocess.PIPE,
    )  # fmt: skip
    await gateway.until(lambda: bool(gateway.pids()))
    process.terminate()
    _, err = await process.communicate()
    assert process.returncode == 143
    assert b"Traceback" not in err
    assert not gateway.runs()


async def test_one_that_does_not_end_when_asked_is_killed(gateway: Gateway) -> None:
    gateway.behaves("stubborn")
    await start(gateway)
    stopped = await stop_gateway(CLOCK, port=gateway.port, patience=0.3)
    assert stopped.killed
    assert not any(alive(pid) for pid in gateway.pids())


async def test_a_process_that_only_has_the_same_number_is_left_alone(gateway: Gateway) -> None:
    record = await start(gateway)
    later = tuple(Process(process.pid, process.group, "another moment") for process in record.processes)
    write_record(replace(record, processes=later))
    assert not (await gateway_status(CLOCK, port=gateway.port)).running
    assert (await stop_gateway(CLOCK, port=gateway.port)).pid is None
    assert all(alive(process.pid) for process in record.processes)


async def test_java_that_outlives_its_script_is_still_ended(gateway: Gateway) -> None:
    record = await start(gateway)
    os.kill(record.processes[0].pid, 9)
    await gateway.until(lambda: not alive(record.processes[0].pid))
    assert (await gateway_status(CLOCK, port=gateway.port)).running
    assert (await stop_gateway(CLOCK, port=gateway.port)).pid == gateway.pids()[0]
    assert not alive(gateway.pids()[0])


async def test_a_gateway_that_has_ended_by_itself_is_told(gateway: Gateway) -> None:
    record = await start(gateway)
    os.killpg(record.processes[0].group, 9)
    await gateway.until(lambda: not any(alive(process.pid) for process in record.processes))
    status = await gateway_status(CLOCK, port=gateway.port)
    assert not status.running
    assert "has ended: start it again" in status.text


async def test_a_gateway_that_shows_another_certificate_than_before_is_not_talked_to(gateway: Gateway) -> None:
    await start(gateway)
    remember("localhost", gateway.port, "ab" * 32)
    status = await gateway_status(CLOCK, port=gateway.port)
    assert (status.answers, status.is_trusted, status.signed_in) == (True, False, None)
    assert "horizon ibkr trust" in status.text


async def test_it_gets_no_secret_of_the_adapters_and_only_its_owner_reads_its_files(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBKR_ACCESS_TOKEN", "planted")
    monkeypatch.setenv("IBEAM_PASSWORD", "planted")
    record = await start(gateway)
    names = (gateway.path / "environment").read_text().split("\n")
    assert "PATH" in names
    assert not [name for name in names if name.startswith(("IBKR_", "IBEAM_"))]
    for file in (Path(record.log), gateway.path / "root" / "conf.horizon.yaml"):
        assert file.stat().st_mode & 0o077 == 0


async def test_the_log_of_the_start_before_is_kept(gateway: Gateway) -> None:
    first = await start(gateway)
    await stop_gateway(CLOCK, port=gateway.port)
    second = await start(gateway)
    assert first.log == second.log
    assert last_lines(Path(f"{first.log}.previous")) == last_lines(Path(second.log))
    assert last_lines(Path(second.log)) == ("Open https://localhost to login",)


# --- what the user has to correct --------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["bin/run.sh", "root/conf.yaml", "dist/gateway.jar"])
async def test_a_folder_without_a_part_of_the_gateway_says_which_and_where_to_get_it(
    gateway: Gateway, missing: str
) -> None:
    (gateway.path / missing).unlink()
    with pytest.raises(ConfigurationError, match=r"found no .*clientportal\.gw\.zip.*unzip") as error:
        await start(gateway)
    assert missing.replace("gateway", "*") in str(error.value)


async def test_the_folder_above_the_gateway_is_corrected(gateway: Gateway) -> None:
    with pytest.raises(ConfigurationError, match=f"--dir {re.escape(str(gateway.path))}"):
        await start_gateway(gateway.path.parent, CLOCK, port=gateway.port, tell=print)
    with pytest.raises(ConfigurationError, match="no such folder"):
        await start_gateway(gateway.path / "nowhere", CLOCK, port=gateway.port, tell=print)


async def test_no_java_is_one_sentence(gateway: Gateway) -> None:
    (gateway.programs / "java").unlink()
    with pytest.raises(ConfigurationError, match="needs Java, and no `java` is on the PATH: install"):
        await start(gateway)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('java version "1.8.0_151"', "found 1.8.0_151"),
        ('java version "1.7.0_80"', "found 1.7.0_80"),
        ('openjdk version "1.8.0_192-b12"', None),
        ('java version "1.8.0_411"', None),
        ('openjdk version "11" 2018-09-25', None),
        ('openjdk version "21.0.2" 2024-01-16', None),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", "Unable to locate"),
        ("", "found 'nothing'"),
    ],
)
async def test_which_java_is_good_enough(gateway: Gateway, said: str, error: str | None) -> None:
    from exchanges.ibkr.gateway_process.java import find_java

    gateway.java_says(said)
    if error is None:
        assert (await find_java(CLOCK)).version in said
    else:
        with pytest.raises(ConfigurationError, match=error):
            await find_java(CLOCK)


async def test_the_java_of_java_home_comes_first(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exchanges.ibkr.gateway_process.java import find_java

    (tmp_path / "home" / "bin").mkdir(parents=True)
    (gateway.programs / "java").rename(tmp_path / "home" / "bin" / "java")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert (await find_java(CLOCK)).path == tmp_path / "home" / "bin" / "java"


@needs_proc
async def test_a_port_that_is_taken_names_the_program(gateway: Gateway) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", gateway.port))
        taken.listen()
        with pytest.raises(ConfigurationError, match=f"found it taken by .*pid {os.getpid()}") as error:
            await start(gateway)
        assert "--port" in str(error.value)
    assert await listener_at(gateway.port) == ""


async def test_a_folder_that_may_not_be_written_to_is_told(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*rest: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("exchanges.ibkr.gateway_process.configuration.write_secret", denied)
    with pytest.raises(ConfigurationError, match="Permission denied; make the gateway's folder yours"):
        await start(gateway)


async def test_a_state_directory_that_can_not_be_used_is_told(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match=r"gateway-\d+\.json: Not a directory; make its folder yours"):
        await start(gateway)
    with pytest.raises(ConfigurationError, match=r"gateway-1\.log: Not a directory; make its folder writable"):
        fresh_log(1)
    note = LoginNote(phase=LoginPhase.STARTED, since=CLOCK.now())
    with pytest.raises(ConfigurationError, match=r"localhost-1\.json: Not a directory; make its folder writable"):
        write_login_note("https://localhost:1", note)


async def test_a_damaged_record_is_told(gateway: Gateway) -> None:
    gateways_directory().mkdir(parents=True)
    (gateways_directory() / f"gateway-{gateway.port}.json").write_text("{")
    with pytest.raises(ConfigurationError, match="found a damaged file"):
        await gateway_status(CLOCK, port=gateway.port)


@pytest.mark.parametrize("call", [lambda: stop_gateway(CLOCK), lambda: start_gateway(Path(), CLOCK, tell=print)])
async def test_windows_gets_clear_words(call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchanges.ibkr.gateway_process.directory.sys.platform", "win32")
    with pytest.raises(ConfigurationError, match=r"bin\\run\.bat root\\conf\.yaml"):
        await call()  # type: ignore[misc]


# --- its configuration and certificate ----------------------------------------------------------------------------


def test_ibkrs_configuration_is_kept_but_for_what_leaves_the_gateway_open(gateway: Gateway) -> None:
    original = (gateway.path / "root" / "conf.yaml").read_text()
    text = configuration_text(original, 5001, None)
    assert text == configuration_text(text, 5001, None)
    lines = text.splitlines()
    assert lines[1:4] == ['ip2loc: "US"', "proxyRemoteSsl: true", 'proxyRemoteHost: "https://api.ibkr.com"']
    assert "listenPort: 5001" in lines
    assert 'sslCert: "vertx.jks"' in lines
    assert '- name: "demo"' in lines
    assert '  index: "index.html"' in lines
    assert "    eventLoopPoolSize: 20" in lines
    assert "192.*" not in text
    assert '"*"' not in text
    assert text.endswith("ips:\n  allow:\n    - 127.0.0.1\n  deny:\n    - 212.90.324.10\n")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "listenPort: 5000\n"])
async def test_a_file_that_is_no_configuration_is_told(gateway: Gateway, text: str) -> None:
    (gateway.path / "root" / "conf.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"conf\.yaml: expected .* found .*; unpack the gateway again"):
        await start(gateway)


@pytest.fixture
def with_keytool(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    keytool = shutil.which("keytool", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if keytool is None:
        pytest.skip("no keytool on this machine: a certificate of its own can't be tried")
    (gateway.programs / "keytool").symlink_to(keytool)
    return gateway


@pytest.mark.slow
async def test_with_keytool_it_gets_a_certificate_of_its_own_that_verifies_and_is_kept(with_keytool: Gateway) -> None:
    gateway = with_keytool
    record = await start(gateway)
    status = await gateway_status(CLOCK, port=gateway.port)
    assert (status.is_stock, status.is_trusted, status.signed_in) == (False, True, False)
    for name in ("localhost", "127.0.0.1"):
        assert known_fingerprint(name, gateway.port) == normalized(status.certificate)
        ordinary = ssl.create_default_context(cafile=record.certificate)
        _, writer = await asyncio.open_connection(name, gateway.port, ssl=ordinary)
        writer.transport.abort()
    for name in ("horizon.jks", "horizon.password", "conf.horizon.yaml"):
        assert (gateway.path / "root" / name).stat().st_mode & 0o077 == 0
    await stop_gateway(CLOCK, port=gateway.port)
    await start(gateway)
    assert await fetch_fingerprint("localhost", gateway.port, CLOCK) == status.certificate


async def test_a_gateway_that_takes_no_configuration_is_told_and_ended(with_keytool: Gateway) -> None:
    with_keytool.behaves("deaf")
    with pytest.raises(ConfigurationError, match="does not take the configuration it is given"):
        await start(with_keytool)
    assert not any(alive(pid) for pid in with_keytool.pids())
    assert not known_gateways_file().exists()


async def test_a_keytool_that_fails_is_told_without_the_password(gateway: Gateway) -> None:
    gateway.add_program("keytool", '#!/bin/sh\necho "keytool error: $HORIZON_KEYSTORE_PASSWORD is weak"\nexit 1\n')
    with pytest.raises(ConfigurationError, match="made no certificate") as error:
        await start(gateway)
    password = (gateway.path / "root" / "horizon.password").read_text().strip()
    assert len(password) > 20
    assert password not in str(error.value)


# --- the commands -------------------------------------------------------------------------------------------------


async def horizon(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *HORIZON, "ibkr", "gateway", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_commands_start_tell_and_stop(gateway: Gateway) -> None:
    port = str(gateway.port)
    code, out, err = await horizon("start", "--dir", str(gateway.path), "--port", port)
    assert code == 0, err
    assert f"running at https://localhost:{port}" in out
    assert "no keytool" in err
    assert alive(gateway.pids()[0])

    code, out, _ = await horizon("status", "--port", port, "--json")
    assert code == 0
    said = json.loads(out)
    assert said["running"] is True
    assert said["pid"] == gateway.pids()[0]
    assert said["age_seconds"] >= 0
    assert said["is_stock"] is True
    assert said["signed_in"] is False
    assert said["log"].endswith(f"gateway-{port}.log")

    code, out, _ = await horizon("stop", "--port", port)
    assert code == 0
    assert "ended" in out
    assert not alive(gateway.pids()[0])


async def test_a_bad_folder_is_one_sentence_and_exit_code_2(gateway: Gateway) -> None:
    code, _, err = await horizon("start", "--dir", str(gateway.programs))
    assert code == 2
    assert err.count("\n") == 1
    assert "download" in err
