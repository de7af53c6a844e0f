"""The API document tells the truth: requests made from it get the answers it promises, and never a fault."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.fakes.engine_rest import Caller, Rest, open_rest
from tests.fakes.people import URL

from borealis_engine.api.access import OPT_KEY, Access
from borealis_engine.api.app import all_handlers
from borealis_engine.devices import DeviceAuth
from borealis_engine.operators.permissions import Permission

pytestmark = pytest.mark.slow

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES: Final = 10
GIVEN: Final = {"services", "principal", "device", "peer", "caller", "metrics", "request"}


def cases() -> list[Any]:
    """Every operation with requests as they should be; and with wrong ones where it takes a body or a query.

    Wrong names in a path are tried by hand in the tests of ``api``: to make them up takes half a minute for each.
    """
    found = []
    for handler in all_handlers():
        if handler.resolve_include_in_schema():
            name = handler.handler_name
            found.append(pytest.param(name, GenerationMode.POSITIVE, id=f"{name}-right"))
            in_path = {part.partition(":")[0] for path in handler.paths for part in path.split("{")[1:]}
            if set(handler.parsed_fn_signature.parameters) - GIVEN - in_path:
                found.append(pytest.param(name, GenerationMode.NEGATIVE, id=f"{name}-wrong"))
    return found


@dataclass
class World:
    """An Engine that keeps running over all examples, and the document that it serves."""

    runner: asyncio.Runner
    rest: Rest
    schema: Any
    rules: dict[str, Access]
    site: int

    def operation(self, name: str) -> Any:
        """An operation of the document by its id."""
        return next(
            found.ok() for found in self.schema.get_all_operations() if found.ok().definition.raw["operationId"] == name
        )

    async def caller(self, rule: Access) -> Caller:
        """Who may do it: a device, a fresh session for one's own account, else the owner."""
        if rule.kind == "public":
            return self.rest.nobody
        if rule.kind == "device":
            return self.rest.device(await self.device())
        if rule.permission is Permission.SELF:
            return self.rest.signed_in(await self.session())
        return self.rest.owner()

    async def device(self) -> DeviceAuth:
        """A device that is active; another one where an example did away with it."""
        for record in self.rest.services.devices.find(self.rest.people.owner, _all_devices()):
            if record.auth.status == "active":
                return record.auth
        number = self.rest.people.randomness.uuid()
        return await self.rest.add_device(f"host-{number}", site_id=self.site)

    async def session(self) -> Any:
        """A new session of the first operator, whatever examples did to the password."""
        from borealis_engine.operators import store

        people = self.rest.people
        user = await people.db.read(lambda connection: store.get_user(connection, 1))
        assert user is not None
        return await people.operators.sessions.open(1, user.password_hash, peer="", user_agent="", how="test")

    async def real_names(self) -> dict[str, Any]:
        """Path parameters that name something there is."""
        device = await self.device()
        return {"guid": device.guid, "hostname": device.hostname, "site_id": self.site, "username": "vera"}

    async def send(self, case: Any, rule: Access, real: bool) -> schemathesis.Response:
        """Send a generated case as bytes on the wire; with ``real`` to something that exists."""
        if real:
            names = await self.real_names()
            case.path_parameters = {
                **case.path_parameters,
                **{k: v for k, v in names.items() if k in case.path_parameters},
            }
        if "wait" in (case.query or {}):
            case.query["wait"] = 0  # nothing ever comes, and the clock stands still
        prepared = requests.Request(**case.as_transport_kwargs(base_url=URL)).prepare()
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        caller = await self.caller(rule)
        headers = {name: str(value) for name, value in prepared.headers.items() if name.lower() not in _NOT_SENT}
        self.rest.people.clock.advance(2)
        sent = {**headers, **caller.headers}
        answer = await caller.call(prepared.method or "GET", prepared.path_url, body, headers=sent)
        found: dict[str, list[str]] = {}
        for header, value in answer.headers:
            found.setdefault(header, []).append(value)
        return schemathesis.Response(
            status_code=answer.status, headers=found, content=answer.body, request=prepared, elapsed=0.0, verify=True
        )


_NOT_SENT: Final = {"host", "content-length", "user-agent", "accept-encoding", "connection", "x-borealis-csrf"}


def _all_devices() -> Any:
    from borealis_engine.devices import DeviceQuery

    return DeviceQuery()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with asyncio.Runner() as runner:
        opening = open_rest(tmp_path_factory.mktemp("openapi") / "Engine")
        rest = runner.run(opening.__aenter__())
        runner.run(rest.people.set_up())
        runner.run(rest.people.add("vera"))
        document = runner.run(rest.nobody.get("/api/openapi.json")).json()
        for item in document["paths"].values():
            for operation in item.values():
                operation.pop("security")  # who may call is for test_every_route; here the right one always does
        rules = {handler.handler_name: handler.opt[OPT_KEY] for handler in all_handlers()}
        site = runner.run(rest.people.add_site("Oslo"))
        yield World(runner, rest, schemathesis.openapi.from_dict(document), rules, site)
        runner.run(opening.__aexit__(None, None, None))


@pytest.mark.parametrize(("name", "mode"), cases())
def test_answers_are_as_the_document_says(world: World, name: str, mode: GenerationMode) -> None:
    operation = world.operation(name)
    rule = world.rules[name]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def run(case: Any, real: bool) -> None:
        answer = world.runner.run(world.send(case, rule, real))
        # A body that is too large is refused before anybody looks whether it is wrong as well.
        wrong = mode is GenerationMode.NEGATIVE and answer.status_code != 413
        case.validate_response(answer, checks=[*CHECKS, negative_data_rejection] if wrong else CHECKS)

    run()
