"""``python -m bench`` is ``alc-bench``."""

import sys

from bench.commands import main

sys.exit(main())
