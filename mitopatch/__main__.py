"""[cli] ``python -m mitopatch``, the same as the command `mitopatch`."""

import sys

from mitopatch.cli import main

sys.exit(main())
