"""`GET /metrics`: the server's figures, for Prometheus."""

from fastapi import Response

from pxt_flight import metrics


def figures() -> Response:
    """The figures of all processes. No key: like /healthz they hold nothing of the data, only counts, sizes and times."""
    return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
