"""``python -m deepattn``: the same as the command ``deepattn``."""

import sys

from deepattn.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
