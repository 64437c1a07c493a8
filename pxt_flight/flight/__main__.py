"""The data plane as a process: `python -m pxt_flight.flight`, started by the supervisor."""

import sys

from pxt_flight import plane
from pxt_flight.engine.seam import probe


def main(channel: plane.Channel) -> None:
    """Open the store, serve until told to stop, and drain."""
    settings = channel.settings
    probe.prepare_import()
    # Imported here: the channel must own stdout before Pixeltable can print to it.
    from pxt_flight.flight.startup import start

    server, engine, owner_key = start(settings)
    channel.on_stop(lambda: server.drain(settings.drain_deadline))
    channel.ready(port=server.port, key=owner_key, read_tier=engine.tier, read_because=engine.slow_because)
    server.wait()
    engine.close()


if __name__ == "__main__":
    sys.exit(plane.run(main))
