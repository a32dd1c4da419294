"""Who may sign in to a simulated gateway by OAuth, and made-up credentials to do it with."""

import base64
import secrets
from functools import cache
from typing import Literal

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

TOKEN_URL = "https://api.ibkr.com/oauth2/api/v1/token"  # noqa: S105 - an address
SCOPES = ("sso-sessions.write", "echo.read", "echo.write")
TEST_CONSUMER = "TESTCONS"
_MODP_2048 = int(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd"
    "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f"
    "83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b"
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510"
    "15728e5a8aacaa68ffffffffffffffff",
    16,
)
"""The 2048-bit group of RFC 3526: making a prime of one's own takes minutes."""

Brokerage = Literal["opens", "no_right", "inactive"]
"""What `ssodh/init` says to a credential: the session, 500 (no right to the API), or 401 (id 39687, not active yet)."""


class OAuth2Client(msgspec.Struct, frozen=True, kw_only=True):
    """One client of OAuth 2.0 as it is registered: nothing in it is secret."""

    client_id: str
    key_id: str
    public_key_pem: str
    username: str
    ip: str = "127.0.0.1"
    """The address its sessions are opened for."""
    audiences: tuple[str, ...] = ("/token", TOKEN_URL)
    """What an assertion may be meant for; the simulator's own address of the endpoint stands for the full URL."""
    scopes: tuple[str, ...] = SCOPES
    active: bool = True
    brokerage: Brokerage = "opens"


class OAuth1Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """One consumer of OAuth 1.0a as it is registered, with the one access token it was given."""

    consumer_key: str
    access_token: str
    access_token_secret: str
    """Base64 of the prepend, encrypted for the user's encryption key."""
    prepend: bytes
    signature_public_key_pem: str
    username: str
    dh_prime: int = _MODP_2048
    dh_generator: int = 2
    realm: str = "limited_poa"
    """`test_realm` for the consumer key TESTCONS, and for no other."""
    active: bool = True
    brokerage: Brokerage = "opens"

    def __repr__(self) -> str:
        return f"OAuth1Consumer(consumer_key={self.consumer_key!r}, username={self.username!r}, active={self.active})"


class SampleOAuth2(msgspec.Struct, frozen=True, kw_only=True):
    """A made-up client: what the simulator is given, and what its user has."""

    registered: OAuth2Client
    private_key_pem: str

    def __repr__(self) -> str:
        return f"SampleOAuth2(client_id={self.registered.client_id!r})"


class SampleOAuth1(msgspec.Struct, frozen=True, kw_only=True):
    """A made-up consumer: what the simulator is given, and what its user has."""

    registered: OAuth1Consumer
    signature_key_pem: str
    encryption_key_pem: str
    dh_parameters_pem: str

    def __repr__(self) -> str:
        return f"SampleOAuth1(consumer_key={self.registered.consumer_key!r})"


def sample_oauth2_client(
    client_id: str = "horizon-client",
    *,
    key_id: str = "main",
    username: str = "horizon",
    ip: str = "127.0.0.1",
    audiences: tuple[str, ...] = ("/token", TOKEN_URL),
    scopes: tuple[str, ...] = SCOPES,
    active: bool = True,
    brokerage: Brokerage = "opens",
) -> SampleOAuth2:
    """A client with an RSA key. The key of one (client, key id) is the same for the life of the process, as making one
    takes a while."""
    key = rsa_key(f"{client_id}/{key_id}")
    registered = OAuth2Client(
        client_id=client_id,
        key_id=key_id,
        public_key_pem=_public_pem(key),
        username=username,
        ip=ip,
        audiences=audiences,
        scopes=scopes,
        active=active,
        brokerage=brokerage,
    )
    return SampleOAuth2(registered=registered, private_key_pem=_private_pem(key))


def sample_oauth1_consumer(
    consumer_key: str = "HORIZON01",
    *,
    username: str = "horizon",
    active: bool = True,
    brokerage: Brokerage = "opens",
) -> SampleOAuth1:
    """A consumer with two RSA keys, Diffie-Hellman parameters, and an access token whose secret is a fresh prepend."""
    signature, encryption = rsa_key(f"{consumer_key}/signature"), rsa_key(f"{consumer_key}/encryption")
    prepend = secrets.token_bytes(20)
    secret = encryption.public_key().encrypt(prepend, padding.PKCS1v15())
    registered = OAuth1Consumer(
        consumer_key=consumer_key,
        access_token=secrets.token_hex(10),
        access_token_secret=base64.b64encode(secret).decode(),
        prepend=prepend,
        signature_public_key_pem=_public_pem(signature),
        username=username,
        realm="test_realm" if consumer_key == TEST_CONSUMER else "limited_poa",
        active=active,
        brokerage=brokerage,
    )
    return SampleOAuth1(
        registered=registered,
        signature_key_pem=_private_pem(signature),
        encryption_key_pem=_private_pem(encryption),
        dh_parameters_pem=_dh_parameters_pem(registered.dh_prime, registered.dh_generator),
    )


@cache
def rsa_key(owner: str) -> rsa.RSAPrivateKey:
    """A 2048-bit key per owner, made once per process."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _dh_parameters_pem(prime: int, generator: int) -> str:
    """What `openssl dhparam` writes: a sequence of two integers. The cryptography package is about to drop them."""
    body = base64.b64encode(_der(0x30, _der_integer(prime) + _der_integer(generator))).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN DH PARAMETERS-----", *lines, "-----END DH PARAMETERS-----", ""])


def _der_integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = bytes([length]) if length < 0x80 else b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + size + content
