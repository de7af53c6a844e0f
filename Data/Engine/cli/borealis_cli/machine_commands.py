"""Commands about machines without an agent, which the Engine reaches by ssh, winrm or psrp."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from borealis_cli.client import EngineClient, segment
from borealis_cli.errors import USAGE, CliError
from borealis_cli.lookups import find_credential, find_device, find_site
from borealis_cli.options import Json, Yes, engine, print_json, surroundings
from borealis_cli.surroundings import Surroundings
from borealis_cli.tables import show_facts, show_table
from borealis_cli.text import clean

CONNECTIONS: Final = ("ssh", "winrm", "psrp")
Machine = Annotated[str, typer.Argument(metavar="MACHINE", help="Hostname or GUID.")]
Address = Annotated[str, typer.Option("--address", help="Host name or IP address, as the Engine reaches it.")]
Connection = Annotated[str, typer.Option("--connection", help=f"{', '.join(CONNECTIONS)}.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="If not 22, 5986 or, without TLS, 5985.")]
Fingerprint = Annotated[
    str,
    typer.Option(
        "--host-key", help="ssh: SHA256:… as ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub prints it there."
    ),
]
Tls = Annotated[str, typer.Option(help="winrm, psrp: ca, or plain: without TLS.")]
Certificate = Annotated[
    Path | None, typer.Option(help="winrm, psrp: it is known by this certificate (PEM), its own or its authority's.")
]
Credential = Annotated[str, typer.Option(help="What its runs use unless they say otherwise (name or id).")]
machines = typer.Typer(invoke_without_command=True, help="Machines without an agent: list, show, add, edit, host-key.")


@machines.callback()
def machines_default(ctx: typer.Context, as_json: Json = False) -> None:
    """Machines without an agent. Lists them where nothing else is said."""
    if ctx.invoked_subcommand is None:
        machines_list(ctx, as_json)


@machines.command("list")
def machines_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List machines without an agent. Nothing tells whether they are there: no agent is on them."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        found = [device for device in client.get("/api/devices")["devices"] if not device["has_agent"]]
    if as_json:
        print_json(around, {"devices": found})
        return
    show_table(
        around.out,
        ["Machine", "Connection", "Where", "Site", "State"],
        [
            [one["hostname"], one["connection_type"], one["connection_endpoint"], one["site_name"], one["status"]]
            for one in found
        ],
        empty="None. Add one: borealis machines add NAME --address ADDRESS --host-key SHA256:…",
    )


@machines.command("show")
def machines_show(ctx: typer.Context, machine: Machine, as_json: Json = False) -> None:
    """Show how a machine is reached and how it is known."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get(_path(client, machine))
    _show(around, answer, as_json)


@machines.command("host-key")
def machines_host_key(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Host name or IP address.")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 22,
    as_json: Json = False,
) -> None:
    """Look which ssh host keys are shown at an address. Compare with the machine itself before you believe one."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.post("/api/machines/host_key", {"address": address, "port": port})
    if as_json:
        print_json(around, answer)
    else:
        show_table(
            around.out, ["Type", "Fingerprint"], [[k["type"], k["fingerprint"]] for k in answer["keys"]], empty=""
        )


@machines.command("add")
def machines_add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its hostname from now on.")],
    *,
    address: Address,
    connection: Connection = "ssh",
    port: Port = 0,
    host_key: Fingerprint = "",
    tls: Tls = "ca",
    certificate: Certificate = None,
    credential: Credential = "",
    site: Annotated[str, typer.Option(help="Its site (name or id).")] = "",
    description: Annotated[str, typer.Option(help="What people should know about it.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add a machine. Without --host-key it shows the keys that answer, and asks: nobody is believed at first sight."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        body: dict[str, Any] = {"hostname": name, "description": description}
        body["connection"] = _connection(
            around,
            client,
            kind=connection,
            address=address,
            port=port,
            host_key=host_key,
            tls=tls,
            certificate=certificate,
            yes=yes,
        )
        if credential:
            body["credential_id"] = find_credential(client, credential)["id"]
        if site:
            body["site_id"] = find_site(client, site)["id"]
        answer = client.post("/api/machines", body)
    _show(around, answer, as_json)


@machines.command("edit")
def machines_edit(
    ctx: typer.Context,
    machine: Machine,
    *,
    address: Address = "",
    connection: Connection = "",
    port: Port = 0,
    host_key: Fingerprint = "",
    tls: Tls = "",
    certificate: Certificate = None,
    credential: Credential = "",
    no_credential: Annotated[bool, typer.Option("--no-credential", help="None of its own from now on.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Change how a machine is reached, or confirm its new host key. Its name, site and deletion are a device's."""
    around = surroundings(ctx)
    if credential and no_credential:
        raise CliError("Say either --credential or --no-credential.", USAGE)
    with engine(ctx) as client:
        path = _path(client, machine)
        before = client.get(path)["connection"] or {}
        body: dict[str, Any] = {}
        if address or connection or port or host_key or tls or certificate:
            kind = connection or str(before.get("type", "ssh"))
            same = kind == before.get("type")
            body["connection"] = _connection(
                around,
                client,
                kind=kind,
                address=address or str(before.get("address", "")),
                port=port or (int(before.get("port", 0)) if same else 0),
                host_key=host_key,
                tls=tls or (str(before.get("tls", "ca")) if same and not certificate else "ca"),
                certificate=certificate,
                yes=yes,
            )
            if body["connection"].get("tls") == "pinned" and certificate is None:
                body["connection"]["certificate"] = before.get("certificate", "")
        if credential or no_credential:
            body["credential_id"] = find_credential(client, credential)["id"] if credential else None
        answer = client.patch(path, body)
    _show(around, answer, as_json)


def _connection(
    around: Surroundings,
    client: EngineClient,
    *,
    kind: str,
    address: str,
    port: int,
    host_key: str,
    tls: str,
    certificate: Path | None,
    yes: bool,
) -> dict[str, Any]:
    if kind not in CONNECTIONS:
        raise CliError(f"--connection is {', '.join(CONNECTIONS)}.", USAGE)
    told: dict[str, Any] = {"type": kind, "address": address, **({"port": port} if port else {})}
    if kind != "ssh":
        if certificate is None:
            return {**told, "tls": tls}
        try:
            return {**told, "tls": "pinned", "certificate": certificate.read_text("ascii")}
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"{clean(str(certificate))} is no certificate that can be read.", USAGE) from error
    if host_key:
        return {**told, "host_key_fingerprint": host_key}
    if yes or not around.interactive:
        raise CliError(
            "Name the machine's host key: --host-key SHA256:… (borealis machines host-key ADDRESS shows what answers;"
            " compare it on the machine itself).",
            USAGE,
        )
    keys = client.post("/api/machines/host_key", {"address": address, "port": port or 22})["keys"]
    key = keys[0]
    around.say(f"What answers at {clean(address)} shows {clean(key['type'])} {clean(key['fingerprint'])}")
    around.confirm("Is that what the machine itself says (ssh-keygen -l -f its host key)?", yes=False)
    return {**told, "host_key": key["key"]}


def _path(client: EngineClient, machine: str) -> str:
    return f"/api/machines/{segment(find_device(client, machine)['guid'])}"


def _show(around: Surroundings, answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(around, answer)
        return
    device, found = answer["device"], answer["connection"] or {}
    show_facts(
        around.out,
        [
            ("Machine", device["hostname"]),
            ("GUID", device["guid"]),
            ("Agent", "none: nothing tells whether it is there"),
            ("Connection", found.get("type", "cannot be read; enter it anew")),
            ("Where", device["connection_endpoint"]),
            ("Host keys", ", ".join(f"{key['fingerprint']} ({key['type']})" for key in found.get("host_keys", []))),
            ("TLS", found.get("tls") if found.get("type") != "ssh" else ""),
            ("Credential", answer["credential_id"]),
            ("Site", device["site_name"]),
        ],
    )
