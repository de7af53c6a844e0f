"""The agent: what runs on a device. `app` builds the rooms; every other package is one room (Docs/architecture.md)."""

from typing import Final

VERSION: Final = "0.1.0"
"""The release: an agent takes an older one only where an order says so."""
