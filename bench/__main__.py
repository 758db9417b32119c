"""``python -m bench`` is ``alc-bench``."""

import sys

from bench.cli import main

sys.exit(main())
