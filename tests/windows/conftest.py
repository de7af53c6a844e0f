"""What lies in ``inside`` runs on Windows, started by ``test_windows_units.py``, and nowhere else."""

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["inside/*"]
