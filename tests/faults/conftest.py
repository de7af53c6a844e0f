"""The same programs as in the journeys."""

from tests.journeys.conftest import agent, engine

__all__ = ["agent", "engine"]
