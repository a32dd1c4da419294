"""Who asks. `Auth` is what the client needs to know of it; each way of signing in is a file here."""

from exchanges.ibkr.auth.bearer import Bearer
from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.auth.protocol import Auth

__all__ = ["Auth", "Bearer", "LocalGateway"]
