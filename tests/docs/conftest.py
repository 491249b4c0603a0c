"""For each document a local AWS of its own, with what is there before its first command."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "local"))
