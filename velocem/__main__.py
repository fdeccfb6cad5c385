"""``python -m velocem``, the same as the command."""

import sys

from velocem.cli import main

if __name__ == "__main__":
    sys.exit(main())
