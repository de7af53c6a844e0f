"""Counters that Prometheus reads. One registry per Engine, none global, so that tests can have many.

May be used by every room; who wants to count takes a ``Metrics`` in its constructor.
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_Asgi = Callable[[Any, Any, Any], Awaitable[None]]
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """The Engine's own figures. Labels are closed sets, never what a caller sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.runs = Counter("borealis_runs", "Runs that reached a status", ["status"], registry=self.registry)
        self.devices_online = Gauge("borealis_devices_online", "Devices with a live session", registry=self.registry)
        self.heartbeats = Counter("borealis_heartbeats", "Heartbeats taken", registry=self.registry)
        self.enrolments = Counter("borealis_enrolments", "Enrolments by outcome", ["outcome"], registry=self.registry)
        self.sign_ins = Counter(
            "borealis_sign_ins", "Operators' sign-ins by outcome", ["outcome"], registry=self.registry
        )
        self.sockets = Gauge("borealis_sockets", "Open sockets", ["kind"], registry=self.registry)
        self.waiting_writes = Gauge(
            "borealis_database_waiting_writes", "Writes that wait for the database", registry=self.registry
        )
        self.requests = Histogram(
            "borealis_http_request_seconds",
            "Duration of REST requests",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def watch(self, figures: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        """Show sizes of rooms as ``borealis_room_size``; ``figures`` (room, name, number) is asked at each scrape."""
        self.registry.register(_RoomSizes(figures))

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def measure(self, app: _Asgi) -> _Asgi:
        """Wrap an ASGI application: one observation for each answer, by route template."""

        async def measured(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status = "none"

            async def watch(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                await send(message)

            started = time.perf_counter()
            try:
                await app(scope, receive, watch)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                route = scope.get("path_template") or "none"
                self.requests.labels(method, route, status).observe(time.perf_counter() - started)

        return measured


class _RoomSizes(Collector):
    """Asks when it is scraped, so that nothing runs in between."""

    def __init__(self, figures: Callable[[], Mapping[str, Mapping[str, int]]]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge for everything that a room counts of itself."""
        sizes = GaugeMetricFamily("borealis_room_size", "What a room of the Engine counts", labels=["room", "name"])
        for room, figures in self._figures().items():
            for name, number in figures.items():
                sizes.add_metric([room, name], number)
        yield sizes
