"""Who calls, by a bearer token or an X-API-Key."""

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from pxt_flight.http.backend import backend_of
from pxt_flight.http.observed import KEY_ID
from pxt_flight.operations.call import Call

BEARER = HTTPBearer(auto_error=False, description="A key.")
API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, for whoever cannot send `Authorization`.")


async def call_of(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    api_key: Annotated[str | None, Security(API_KEY)],
) -> Call:
    """The call of a request, which is kept in `request.state.call` too: for what is sent with the answer, and logged.

    Raises:
        UnauthenticatedError: there is no key, or it is not known.
    """
    backend = backend_of(request)
    principal = backend.store.keys.authenticate(bearer.credentials.strip() if bearer is not None else api_key)
    setattr(request.state, KEY_ID, principal.key_id)
    call = request.state.call = backend.store.call(principal, backend.links)
    return call
