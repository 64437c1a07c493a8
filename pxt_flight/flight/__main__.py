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

    server, store = start(settings)
    channel.on_stop(lambda: server.drain(settings.drain_deadline))
    engine = store.engine
    channel.ready(
        port=server.port,
        key=store.owner_key,
        read_tier=engine.tier,
        read_because=engine.slow_because,
        writes_because=store.writer.tiers.because,
    )
    server.wait()
    store.close()


if __name__ == "__main__":
    sys.exit(plane.run(main))
