"""`python -m tests.bench.live`, otherwise `scripts/bench live`."""

import sys

from tests.bench.live.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
