"""Commands about sites: groups of devices that operators can be limited to."""

from typing import Annotated

import typer

from borealis_cli.lookups import find_site
from borealis_cli.options import Json, Yes, engine, print_json, surroundings
from borealis_cli.tables import show_table
from borealis_cli.text import clean, plural

SiteName = Annotated[str, typer.Argument(metavar="SITE", help="Name or id.")]
sites = typer.Typer(invoke_without_command=True, help="Sites: list, create, rename, delete.")


@sites.callback()
def sites_default(ctx: typer.Context, as_json: Json = False) -> None:
    """Sites: list, create, rename, delete. Lists them where nothing else is said."""
    if ctx.invoked_subcommand is None:
        sites_list(ctx, as_json)


@sites.command("list")
def sites_list(ctx: typer.Context, as_json: Json = False) -> None:
    """List sites with how many devices each has."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.get("/api/sites")
    if as_json:
        print_json(around, answer)
        return
    show_table(
        around.out,
        ["Id", "Site", "Devices", "Description"],
        [[site["id"], site["name"], site["device_count"], site["description"]] for site in answer["sites"]],
        empty="No sites. Make one: borealis sites create NAME",
    )


@sites.command("create")
def sites_create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    description: Annotated[str, typer.Option(help="What people should know about it.")] = "",
    as_json: Json = False,
) -> None:
    """Make a site."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.post("/api/sites", {"name": name, "description": description})
    if as_json:
        print_json(around, answer)
    else:
        around.say(f"Site {clean(answer['name'])} has the id {answer['id']}.")


@sites.command("rename")
def sites_rename(
    ctx: typer.Context,
    site: SiteName,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="Its name from now on.")],
    as_json: Json = False,
) -> None:
    """Give a site another name."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        answer = client.patch(f"/api/sites/{find_site(client, site)['id']}", {"name": new_name})
    if as_json:
        print_json(around, answer)
    else:
        around.say(f"Its name is {clean(answer['name'])} now.")


@sites.command("delete")
def sites_delete(ctx: typer.Context, site: SiteName, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a site. Its devices stay, without one, seen by operators of all sites only."""
    around = surroundings(ctx)
    with engine(ctx) as client:
        found = find_site(client, site)
        around.confirm(
            f"Delete the site {clean(found['name'])} with {plural(found['device_count'], 'device')}?", yes=yes
        )
        answer = client.delete(f"/api/sites/{found['id']}")
    if as_json:
        print_json(around, answer)
    else:
        around.say("Deleted.")
