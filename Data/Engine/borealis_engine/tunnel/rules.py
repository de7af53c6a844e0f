"""The Engine's half of the allow-lists, as nftables commands; pure.

One set of ``address . port`` holds what the Engine may reach, whatever the number of devices. Out of the Engine goes
only TCP to what is in it; in comes only what answers that. There is no rule for connections as such: what leaves the
set is cut at once. Nothing is passed on, so no device reaches another, nor any network behind the Engine.
"""

from collections.abc import Iterable

from borealis_engine.tunnel.ports import DevicePeer

SET = "allowed"


def table(name: str, interface: str, peers: Iterable[DevicePeer]) -> str:
    """All of it, in one transaction."""
    elements = ", ".join(f"{peer.address} . {port}" for peer in peers for port in peer.ports)
    return f"""
table inet {name} {{}}
delete table inet {name}
table inet {name} {{
  set {SET} {{
    type ipv4_addr . inet_service
    {f"elements = {{ {elements} }}" if elements else ""}
  }}
  chain output {{
    type filter hook output priority -10; policy accept;
    oifname != "{interface}" accept
    ip daddr . tcp dport @{SET} counter accept
    counter drop
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname != "{interface}" accept
    ip saddr . tcp sport @{SET} ct state established counter accept
    icmp type destination-unreachable ct state related counter accept
    counter drop
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname "{interface}" counter drop
    oifname "{interface}" counter drop
  }}
}}
"""


def change(name: str, *, close: Iterable[tuple[str, int]] = (), open_: Iterable[tuple[str, int]] = ()) -> str:
    """Elements of the set that go and come; empty where nothing changes."""
    lines = []
    for verb, places in (("delete", list(close)), ("add", list(open_))):
        if places:
            elements = ", ".join(f"{address} . {port}" for address, port in places)
            lines.append(f"{verb} element inet {name} {SET} {{ {elements} }}")
    return "\n".join(lines) + "\n" if lines else ""
