"""The data plane as a process: `python -m pxt_flight.flight`, started by the supervisor."""

import logging
import os
import sys
import warnings

from pxt_flight import plane
from pxt_flight.engine.seam import probe


def main(channel: plane.Channel) -> None:
    """Open the store, serve until told to stop, and drain."""
    settings = channel.settings
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.environ.setdefault("PIXELTABLE_VERBOSITY", "0")
    # Of a library of Pixeltable's, at each import; nothing to a user of ours.
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
    # Before the engine is imported: an unknown Pixeltable may fail in any way at that.
    probe.check_version()
    # Imported here: the channel must own stdout before Pixeltable can print to it.
    from pxt_flight.flight.startup import start

    server, engine, owner_key = start(settings)
    channel.on_stop(lambda: server.drain(settings.drain_deadline))
    channel.ready(port=server.port, key=owner_key, read_tier=engine.tier, read_because=engine.slow_because)
    server.wait()
    engine.close()


if __name__ == "__main__":
    sys.exit(plane.run(main))
