"""Who asks. `Auth` is what the client and the session need to know of it; each way of signing in is a file here."""

from exchanges.ibkr.auth.bearer import Bearer
from exchanges.ibkr.auth.diffie_hellman import DiffieHellman
from exchanges.ibkr.auth.keys import PrivateKey
from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.auth.oauth1 import OAuth1
from exchanges.ibkr.auth.oauth2 import OAuth2
from exchanges.ibkr.auth.protocol import Ask, Auth, TokenState

__all__ = ["Ask", "Auth", "Bearer", "DiffieHellman", "LocalGateway", "OAuth1", "OAuth2", "PrivateKey", "TokenState"]
