"""The installed program, and ``python -m streamclust``."""

import sys


def main() -> None:
    """Run a command of the command line."""
    try:
        from streamclust.cli import main as run
    except KeyboardInterrupt:
        # Ctrl-C before anything has begun: there is nothing to tell.
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
