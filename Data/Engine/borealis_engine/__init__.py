"""The Engine: what agents and operators talk to. `app` builds the rooms; every other package is one room."""

from typing import Final

VERSION: Final = "0.1.0"
