"""Links to media cells, made for a query: they carry leave to read one column, signed, because `<img src>` sends no key."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pxt_flight.access.grants import MediaGrants
from pxt_flight.access.principals import Principal
from pxt_flight.engine.scan import UrlOf
from pxt_flight.engine.types import MediaColumn

MEDIA_PATH = "/api/v1/media/cells"


@dataclass(frozen=True)
class MediaLinks:
    """Makes the URLs of media cells.

    Attributes:
        grants: signs them.
        base_url: the URL under which clients reach the control plane, without a slash at its end; it may raise `unavailable`.
    """

    grants: MediaGrants
    base_url: Callable[[], str]

    def url_of(self, principal: Principal, *, include_deleted: bool = False) -> UrlOf:
        """What the URLs of the cells of a column begin with, for one query: each column is signed once.

        Args:
            principal: who may follow them.
            include_deleted: whether they lead to cells of rows that are deleted softly, too.
        """

        @cache
        def url_of(column: MediaColumn) -> str:
            return f"{self.base_url()}{MEDIA_PATH}/{self.grants.mint(principal.key_id, *column, include_deleted)}/"

        return url_of
