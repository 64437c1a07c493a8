"""The real control plane on a home that has no store: it waits for one until it is stopped."""

import sys

from pxt_flight import plane
from pxt_flight.http.__main__ import main


def wait_for_the_stop(channel: plane.Channel) -> None:
    channel.stopping.wait()


if __name__ == "__main__":
    sys.exit(plane.run(lambda channel: main(channel, wait_for_the_stop)))
