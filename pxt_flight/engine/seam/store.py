"""Where Pixeltable keeps its tables."""

import sqlalchemy as sql
from pixeltable.env import Env


def libpq_uri() -> str:
    """The connection URI of Pixeltable's Postgres, as libpq takes it. It may hold a password: never log it.

    Raises:
        ValueError: the store is not Postgres.
    """
    url = sql.make_url(Env.get().db_url)
    if url.get_backend_name() != "postgresql":
        raise ValueError("not a Postgres store")
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def time_zone() -> str:
    """The time zone of Pixeltable's sessions, by its name: a date beside a timestamp is midnight there."""
    return str(Env.get().default_time_zone)
