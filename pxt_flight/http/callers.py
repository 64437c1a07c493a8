"""Who calls, by a bearer token or an X-API-Key."""

from pathlib import Path
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from pxt_flight import registration
from pxt_flight.http.observed import KEY_ID
from pxt_flight.operations.call import Call
from pxt_flight.operations.links import MediaLinks
from pxt_flight.operations.startup import OpenStore

BEARER = HTTPBearer(auto_error=False, description="A key.")
API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for whoever cannot send `Authorization`.")


class Callers:
    """Names the callers of a store.

    Args:
        store: the store.
        home: its home, which says under which URL clients reach this server.
    """

    def __init__(self, store: OpenStore, home: Path) -> None:
        self._store = store
        self._links = MediaLinks(store.media_grants, lambda: registration.public_url(home))

    async def of(
        self,
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
        api_key: Annotated[str | None, Security(API_KEY)],
    ) -> Call:
        """The call of a request, which is kept in `request.state.call` too: for what is sent with the answer, and logged.

        Raises:
            UnauthenticatedError: there is no key, or it is not known.
        """
        store = self._store
        principal = store.keys.authenticate(bearer.credentials.strip() if bearer is not None else api_key)
        setattr(request.state, KEY_ID, principal.key_id)
        call = request.state.call = store.call(principal, self._links)
        return call
