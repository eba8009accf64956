"""``python -m quantummail.cli`` is the same as ``quantummail``."""

import sys

from quantummail.cli import main

sys.exit(main())
