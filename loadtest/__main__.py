"""``python -m loadtest``: see `loadtest.command`."""

import sys

if __name__ == "__main__":
    # Not above: each client process imports this file again, and needs nothing of the command.
    from loadtest.command import main

    sys.exit(main())
