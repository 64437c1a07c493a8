"""What is random in each run of a statement, so that nobody can write down what only the run itself may name."""

import hmac
import secrets

_KEY = secrets.token_bytes(32)


def new_run() -> int:
    """A number that a statement cannot hold before it runs: what Postgres reads from a text as a reference lacks it."""
    return secrets.randbits(62)


def secret_of(run: int) -> str:
    """A text to sign with in one run; a statement may get to see the run's number, and this text never."""
    return hmac.digest(_KEY, str(run).encode(), "sha256").hex()
