"""The gateway on this machine: a person has signed in to it in a browser, and it signs every request itself."""

from collections.abc import Mapping

_NOTHING: Mapping[str, str] = {}


class LocalGateway:
    """No header at all. The gateway would pass an Authorization header on to the venue, where a placeholder token is
    at best ignored, so a placeholder is accepted here and never sent."""

    person_signs_in = True

    def __init__(self, placeholder: str = "") -> None:
        del placeholder

    def __repr__(self) -> str:
        return "LocalGateway()"

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Nothing to add."""
        return _NOTHING
