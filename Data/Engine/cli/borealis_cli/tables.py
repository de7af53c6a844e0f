"""Tables for people: every cell made harmless, no colour that means something by itself."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from borealis_cli.text import clean

GOOD, BAD, DIM = "green", "red", "dim"
_STYLES = {
    "online": GOOD,
    "Success": GOOD,
    "Completed": GOOD,
    "active": GOOD,
    "revoked": BAD,
    "quarantined": "yellow",
    "Failed": BAD,
    "Timed Out": BAD,
    "Refused": BAD,
    "Interrupted": BAD,
    "Expired": "yellow",
    "Cancelled": "yellow",
    "expired": DIM,
    "used": DIM,
}


def show_table(console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
    """Print rows under headings; ``empty`` is said where there is none."""
    given = [list(row) for row in rows]
    if not given:
        console.print(Text(empty))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in given:
        table.add_row(*(cell(value) for value in row))
    console.print(table)


def show_facts(console: Console, facts: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one pair a line; empty values are left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        if value not in (None, "", [], {}):
            table.add_row(name, cell(value))
    console.print(table)


def cell(value: Any) -> Text:
    """One cell: plain text, never markup."""
    text = clean(value)
    return Text(text, style=_STYLES.get(text.split(" ")[0], _STYLES.get(text, "")))
