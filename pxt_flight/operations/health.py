"""Whether a process of the server answers. Nothing of the engine is imported: it answers before Pixeltable can."""

from dataclasses import dataclass
from typing import Literal

import pxt_flight
from pxt_flight.public_api import public_api


@dataclass(frozen=True)
class Health:
    """That a process answers.

    Attributes:
        status: `ok`.
        version: of pxt-flight.
    """

    status: Literal["ok"]
    version: str


@public_api(category="server", http_method="GET", path="/healthz", auth_required=False)
def health(call: object) -> Health:  # noqa: ARG001  # nobody needs to call it
    """Say that the server answers. It asks nothing of Pixeltable, so it stays cheap and needs no key.

    Args:
        call: who asks.

    Returns:
        `status`, which is `ok`, and the `version` of pxt-flight.
    """
    return Health("ok", pxt_flight.__version__)
