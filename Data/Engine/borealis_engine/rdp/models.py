"""What is asked for, and what is told, about remote desktops by RDP."""

from dataclasses import dataclass

import msgspec

from borealis_engine.rdp.commands import Account


@dataclass(frozen=True, slots=True)
class RdpAsked:
    """A remote desktop that an operator wants. ``certificate``: SHA-256 of one to trust from now on, or empty."""

    device: str
    account: Account
    width: int
    height: int
    certificate: str = ""


class RdpTicket(msgspec.Struct, frozen=True):
    """Where a browser comes for what was asked for, once. ``expires_at`` in Unix seconds.

    ``certificate``: SHA-256 of what the device shows, in hex; ``known``: it was seen there before. ``nla``: the device
    asks for the account before it shows anything.
    """

    token: str
    ws_url: str
    expires_at: float
    virtual_ip: str
    tunnel_id: str
    guid: str
    hostname: str
    certificate: str
    known: bool
    nla: bool
    width: int
    height: int


class OpenRdp(msgspec.Struct, frozen=True):
    """A remote desktop that is open. ``user``: the account on the device; ``since`` in Unix seconds."""

    session_id: str
    guid: str
    hostname: str
    username: str
    user: str
    since: float
