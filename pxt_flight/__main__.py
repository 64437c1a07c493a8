"""The command `pxt-flight`, also as `python -m pxt_flight`: says what to install where only the client is."""

import sys


def main() -> int:
    """Run the command line; answers the exit status."""
    try:
        from pxt_flight.cli import main as run

        return run()
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] == "pxt_flight":
            raise
        extra = "demo" if sys.argv[1:2] == ["demo"] else "server"
        sys.stderr.write(f"This command needs more than the client ({missing.name} is missing): pip install 'pxt-flight[{extra}]'\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
