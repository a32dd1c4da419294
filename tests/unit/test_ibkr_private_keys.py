"""Private keys: what is loaded, and one sentence for each thing that is none."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from exchanges.ibkr.auth import PrivateKey
from horizon.errors import ConfigurationError

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PASSPHRASE = "planted-passphrase"
ENCRYPTED = BestAvailableEncryption(PASSPHRASE.encode())
FORMATS = pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])


def pem(form: PrivateFormat = PrivateFormat.PKCS8, encryption: KeySerializationEncryption | None = None) -> bytes:
    return KEY.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def refused(content: bytes, passphrase: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as error:
        PrivateKey.from_bytes(content, passphrase)
    assert error.value.__cause__ is None
    text = str(error.value)
    assert "\n" not in text
    assert PASSPHRASE not in text
    assert not any(line in text for line in content.decode("latin-1").splitlines() if len(line) == 64)
    return text


@FORMATS
def test_a_key_is_loaded_and_signs_and_decrypts(form: PrivateFormat) -> None:
    key = PrivateKey.from_bytes(pem(form))
    KEY.public_key().verify(key.sign(b"text"), b"text", padding.PKCS1v15(), hashes.SHA256())
    assert key.decrypt(KEY.public_key().encrypt(b"secret", padding.PKCS1v15())) == b"secret"
    assert repr(key) == str(key) == "PrivateKey(rsa 2048)"


@FORMATS
def test_an_encrypted_key_needs_its_passphrase(form: PrivateFormat) -> None:
    content = pem(form, ENCRYPTED)
    assert PrivateKey.from_bytes(content, PASSPHRASE).rsa.key_size == 2048
    assert refused(content) == "the private key in the given bytes is encrypted: give its passphrase"
    assert "this passphrase does not open" in refused(content, "another")


def test_a_passphrase_for_a_key_that_is_not_encrypted_is_told() -> None:
    assert "leave the passphrase out" in refused(pem(), PASSPHRASE)


def other_kinds() -> dict[str, bytes]:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "horizon")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(KEY, hashes.SHA256())
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return {
        "(EC)": elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "(Ed25519)": edwards.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "an elliptic curve key": elliptic.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "ssh-keygen -p -m PKCS8": KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "a public key": KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "a certificate request": request.public_bytes(Encoding.PEM),
        "found 1024": small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "a damaged one": pem().replace(b"\n", b"", 5)[:400] + b"\n-----END PRIVATE KEY-----\n",
        "no PEM block": KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "'something'": b"-----BEGIN SOMETHING-----\nAAAA\n-----END SOMETHING-----\n",
        "Diffie-Hellman parameters": b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
    }


def test_each_other_kind_of_key_is_named_with_what_to_do() -> None:
    for expected, content in other_kinds().items():
        assert expected in refused(content), expected


def test_a_key_in_a_file_with_its_certificate_is_found() -> None:
    certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert PrivateKey.from_bytes(certificate + pem()).rsa.key_size == 2048


def test_a_key_is_read_from_a_file_of_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "private_key.pem"
    path.write_bytes(pem(encryption=ENCRYPTED))
    path.chmod(0o600)
    assert PrivateKey.from_file(path, PASSPHRASE).rsa.key_size == 2048
    path.chmod(0o400)
    assert PrivateKey.from_file(str(path), PASSPHRASE.encode()).rsa.key_size == 2048


@pytest.mark.skipif(os.name != "posix", reason="a file has no such mode here")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o777])
def test_a_file_that_others_can_read_is_refused_with_the_chmod(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "my key.pem"
    path.write_bytes(pem())
    path.chmod(mode)
    with pytest.raises(ConfigurationError) as error:
        PrivateKey.from_file(path)
    assert f"run `chmod 600 '{path}'`" in str(error.value)


def test_a_file_that_is_not_there_or_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="found nothing: correct the path"):
        PrivateKey.from_file(tmp_path / "missing.pem")
    with pytest.raises(ConfigurationError, match="found a directory: name the file in it"):
        PrivateKey.from_file(tmp_path)
    large = tmp_path / "large.pem"
    large.write_bytes(b"x" * 100_000)
    large.chmod(0o600)
    with pytest.raises(ConfigurationError, match="too large"):
        PrivateKey.from_file(large)


class FakeKeyringError(Exception):
    pass


def use_keyring(monkeypatch: pytest.MonkeyPatch, entries: dict[tuple[str, str], str], locked: bool = False) -> None:
    def get_password(service: str, name: str) -> str | None:
        if locked:
            raise FakeKeyringError(f"planted {PASSPHRASE}")
        return entries.get((service, name))

    keyring = ModuleType("keyring")
    vars(keyring).update(get_password=get_password)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", SimpleNamespace(KeyringError=FakeKeyringError))


def test_a_key_comes_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    use_keyring(monkeypatch, {("ibkr", "key"): pem().decode()})
    assert PrivateKey.from_keyring("ibkr", "key").rsa.key_size == 2048
    with pytest.raises(ConfigurationError, match=r"keyring set ibkr other < private_key\.pem"):
        PrivateKey.from_keyring("ibkr", "other")


def test_a_locked_keyring_is_told_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    use_keyring(monkeypatch, {}, locked=True)
    with pytest.raises(ConfigurationError, match="unlock it") as error:
        PrivateKey.from_keyring("ibkr", "key")
    assert PASSPHRASE not in str(error.value)


def test_without_keyring_support_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'horizon-trading\[keyring\]'"):
        PrivateKey.from_keyring("ibkr", "key")


def test_a_key_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(PrivateKey.from_bytes(pem()))


def test_the_libraries_for_keys_are_loaded_only_when_a_key_is() -> None:
    script = (
        "import sys, exchanges.ibkr.exchange\n"
        "print([name for name in ('jwt', 'cryptography', 'keyring') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
