"""`python -m hawx` is `hawx`."""

import sys

from hawx.cli import main

if __name__ == "__main__":
    sys.exit(main())
