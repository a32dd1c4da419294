"""A stand-in for IBKR's gateway: `fake_gateway.py root/conf.yaml`, run in the gateway's folder by its bin/run.sh.

The file `behaviour` says what it does; it is signed in while a file `signed_in` exists.
"""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

HERE = Path.cwd()


def configured(key: str) -> str:
    for line in (HERE / sys.argv[1]).read_text().splitlines():
        if line.startswith(f"{key}:"):
            return line.partition(":")[2].strip().strip('"')
    raise SystemExit(f"no {key} in {sys.argv[1]}")


def pem() -> str:
    """The certificate to show: the one of the configured keystore, or the one that stands for IBKR's own."""
    if configured("sslCert") == "vertx.jks":
        return os.environ["FAKE_STOCK_PEM"]
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    password, store, copy = configured("sslPwd"), HERE / "root" / configured("sslCert"), HERE / "copy.p12"
    subprocess.run(
        ["keytool", "-importkeystore", "-srckeystore", store, "-destkeystore", copy, "-deststoretype", "PKCS12",
         "-srcstorepass", password, "-deststorepass", password, "-noprompt"],
        check=True, capture_output=True,
    )  # fmt: skip
    key, certificate, _ = load_key_and_certificates(copy.read_bytes(), password.encode())
    assert key is not None
    assert certificate is not None
    shown = HERE / "shown.pem"
    shown.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(shown)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().lower().split("\r\n")
            length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length")), 0)
            await reader.readexactly(length)
            if (HERE / "signed_in").exists():
                status, body = "200 OK", {"authenticated": True, "established": True, "connected": True}
            else:
                status, body = "401 Unauthorized", {"error": "not authenticated", "statusCode": 401}
            content = json.dumps(body).encode()
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.transport.abort()


async def serve() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["FAKE_STOCK_PEM"] if behaviour == "deaf" else pem())
    await asyncio.start_server(answer, "127.0.0.1", int(configured("listenPort")), ssl=context)
    await asyncio.Event().wait()


behaviour = (HERE / "behaviour").read_text().strip()
with (HERE / "pids").open("a") as pids:
    pids.write(f"{os.getpid()}\n")
(HERE / "environment").write_text("\n".join(os.environ))
print("Open https://localhost to login", flush=True)
match behaviour:
    case "exits":
        print("loading configuration file error: password=hunter2-of-the-gateway", flush=True)
        sys.exit(1)
    case "silent":
        signal.pause()
    case "simulator":
        arguments = ["sim", "ibkr", "--port", configured("listenPort")]
        os.execv(sys.executable, [sys.executable, "-c", "from horizon.cli import main; main()", *arguments])
    case "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        asyncio.run(serve())
    case _:
        asyncio.run(serve())
