"""Every REST route there is: who may call it is written on it, and nobody else can (threats 1 and 4)."""

import re
from dataclasses import dataclass
from typing import Final

from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from tests.fakes.engine_rest import Answer, Caller, Rest

from borealis_engine.api.access import OPT_KEY, Access
from borealis_engine.operators.permissions import PERMISSIONS, OperatorRole, Permission

PUBLIC_ROUTES: Final = {
    "GET /": "a page without data",
    "GET /setup": "a page without data; where the one-time link leads",
    "GET /pages/{name:str}": "style and scripts of those pages",
    "GET /{name:path}": "files of the built web interface, without data",
    "GET /health": "load balancers and the start script ask before anybody can sign in",
    "GET /api/openapi.json": "programs generate their types from it; the same for every installation",
    "GET /api/setup": "a browser has to know whether to show set-up or sign-in",
    "POST /api/setup": "the one-time token of the link is the credential",
    "POST /api/auth/login": "nobody has a session before signing in",
    "POST /api/auth/mfa/verify": "the pending token and the code are the credentials",
    "POST /api/auth/passkeys/authenticate/options": "nobody has a session before signing in; it tells nothing",
    "POST /api/auth/passkeys/authenticate/verify": "the passkey is the credential",
    "POST /api/agent/enroll/request": "a machine has no token before it is enrolled; the code lets it knock",
    "POST /api/agent/enroll/poll": "the same; it proves its key",
    "POST /api/agent/token/refresh": "the refresh token and the proof of possession are the credentials",
}


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    handler: HTTPRouteHandler

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def rule(self) -> Access:
        found = self.handler.opt.get(OPT_KEY)
        assert isinstance(found, Access), (
            f"{self.name} has no access rule: write opt=operator(...), device() or public()"
        )
        return found

    @property
    def target(self) -> str:
        """An address of this route: numbers are 1, names are ``x``."""
        return re.sub(r"\{[^:}]+(?::(\w+))?\}", lambda found: "1" if found.group(1) == "int" else "x", self.path)

    async def call(self, caller: Caller) -> Answer:
        """Call it with a body that is JSON, and nothing else."""
        return await caller.call(self.method, self.target, {} if self.method != "GET" else None)


def routes(rest: Rest) -> list[Route]:
    """All of them, those that are in no document too."""
    return [
        Route(method, route.path, handler)
        for route in rest.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method != "OPTIONS"
    ]


async def test_every_route_names_its_rule(rest: Rest) -> None:
    assert len(routes(rest)) > 60
    assert {type(route).__name__ for route in rest.app.routes} == {"HTTPRoute"}, (
        "no mounts, no sockets beside the gateway"
    )
    for route in routes(rest):
        rule = route.rule
        assert (rule.kind == "operator") == (rule.permission is not None), route.name
        assert rule.kind != "public" or len(rule.reason) > 20, f"{route.name}: say why everybody may"


async def test_the_public_routes_are_those_of_the_table(rest: Rest) -> None:
    assert {route.name for route in routes(rest) if route.rule.kind == "public"} == set(PUBLIC_ROUTES)


async def test_a_handler_is_given_only_whom_its_rule_lets_in(rest: Rest) -> None:
    for route in routes(rest):
        given = set(route.handler.parsed_fn_signature.parameters) & {"principal", "device"}
        assert given <= {{"operator": "principal", "device": "device"}.get(route.rule.kind, "")}, route.name


async def test_rejects_nobody_on_every_route_that_is_not_public(rest: Rest) -> None:
    strangers = [
        rest.nobody,
        Caller(rest, {"Cookie": "borealis_session_5000=guess"}),
        Caller(rest, {"Authorization": "Bearer guess"}),
        Caller(rest, {"Authorization": "Bearer bor_pat_guess"}),
        Caller(rest, {"Authorization": "Bearer bor_owner_guess"}, "127.0.0.1"),
    ]
    for route in routes(rest):
        for stranger in strangers:
            answer = await route.call(stranger)
            if route.rule.kind == "public":
                assert answer.status != 500, route.name
            else:
                assert answer.status == 401, f"{route.name} answered {answer.status} to {stranger.headers}"
                assert set(answer.json()) == {"error", "detail"}, route.name


async def test_rejects_devices_on_every_operator_route(rest: Rest) -> None:
    device = await rest.add_device()
    for route in routes(rest):
        if route.rule.kind == "operator":
            assert (await route.call(rest.device(device))).status == 401, route.name


async def test_rejects_operators_on_every_device_route(rest: Rest) -> None:
    session = rest.signed_in(await rest.people.set_up())
    program, owner = await rest.token("ada", *Permission), rest.owner()
    for route in routes(rest):
        if route.rule.kind == "device":
            for caller in (session, program, owner):
                assert (await route.call(caller)).status == 401, route.name


async def test_rejects_every_role_on_every_route_whose_permission_it_lacks(rest: Rest) -> None:
    await rest.people.set_up()
    for role in (OperatorRole.VIEWER, OperatorRole.OPERATOR):
        person = await rest.person(role.value.lower(), role)
        for route in routes(rest):
            if route.rule.permission is not None and route.rule.permission not in PERMISSIONS[role]:
                answer = await route.call(person)
                assert (answer.status, answer.code) == (403, "forbidden"), f"{role} on {route.name}: {answer}"


async def test_rejects_tokens_on_every_route_outside_their_scopes(rest: Rest) -> None:
    await rest.people.set_up()
    for scope in (Permission.SELF, Permission.DEVICES_READ):
        program = await rest.token("ada", scope)
        for route in routes(rest):
            if route.rule.kind == "operator" and route.rule.permission is not scope:
                answer = await route.call(program)
                assert (answer.status, answer.code) == (403, "forbidden"), f"{scope} on {route.name}: {answer}"


async def test_a_viewer_can_change_nothing_but_their_own_account(rest: Rest) -> None:
    """What a Viewer may call with another method than GET is about themselves, by its permission."""
    for route in routes(rest):
        if route.method != "GET" and route.rule.permission in PERMISSIONS[OperatorRole.VIEWER]:
            assert route.rule.permission is Permission.SELF, route.name


async def test_rejects_changes_without_csrf_on_every_route(rest: Rest) -> None:
    ada = rest.signed_in(await rest.people.set_up())
    for route in routes(rest):
        if route.rule.kind == "operator" and route.method != "GET":
            for missing, code in (("X-Borealis-CSRF", "csrf_failed"), ("Origin", "cross_site")):
                answer = await route.call(ada.without(missing))
                assert (answer.status, answer.code) == (403, code), route.name
    assert (await ada.get("/api/auth/me")).status == 200
