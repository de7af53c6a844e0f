"""Entry: ``python -m borealis_cli``."""

import sys

from borealis_cli.app import main
from borealis_cli.surroundings import this_process

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], this_process()))
