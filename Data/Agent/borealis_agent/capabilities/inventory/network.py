"""Interfaces, addresses, routes, name servers, and ports that listen for other machines."""

from typing import Any, Final

from borealis_agent.capabilities.inventory.netlink import Address, address_text, parse_addresses
from borealis_agent.capabilities.inventory.source import LARGE, Source, whole

_MAX_INTERFACES: Final = 512
_FLEETING: Final = ("veth", "cali", "vnet", "tap", "fwpr", "fwln")
"""Ends of containers' and virtual machines' links: they come and go with each of them."""
_LISTEN: Final = "0A"
_UNCONNECTED_UDP: Final = "07"
_TYPES: Final = {
    1: "ethernet",
    24: "ethernet",
    32: "infiniband",
    512: "ppp",
    768: "tunnel",
    772: "loopback",
    776: "sit",
    778: "gre",
    65534: "none",
}


def interfaces(source: Source) -> list[dict[str, Any]]:
    """The section ``network``: upstream's adapter, ips, mac, and more. Loopback is left out."""
    by_index: dict[int, list[Address]] = {}
    for address in parse_addresses(source.addresses()):
        by_index.setdefault(address.adapter, []).append(address)
    found: list[dict[str, Any]] = []
    for name in source.names("/sys/class/net"):
        if name.startswith(_FLEETING) or len(found) >= _MAX_INTERFACES:
            continue
        folder = f"/sys/class/net/{name}"
        kind = source.number(f"{folder}/type")
        if kind is None or kind == 772:
            continue
        addresses = sorted(by_index.get(source.number(f"{folder}/ifindex") or 0, ()), key=lambda item: item.version)
        speed = source.number(f"{folder}/speed")
        found.append(
            {
                "adapter": name,
                "ips": [item.text for item in addresses],
                "mac": _mac(source.line(f"{folder}/address")),
                "addresses": [{"ip": item.text, "prefix": item.prefix, "scope": item.scope} for item in addresses],
                "state": source.line(f"{folder}/operstate"),
                "mtu": source.number(f"{folder}/mtu"),
                "speed_mbps": speed if speed and speed > 0 else None,
                "duplex": source.line(f"{folder}/duplex").replace("unknown", ""),
                "type": _type(source, name, folder, kind),
                "driver": source.link_name(f"{folder}/device/driver"),
                "physical": source.exists(f"{folder}/device"),
                "bus": source.link_name(f"{folder}/device"),
                "master": source.link_name(f"{folder}/master"),
                "alias": source.line(f"{folder}/ifalias"),
                "wake_on_lan": source.line(f"{folder}/device/power/wakeup"),
            }
        )
    return found


def _mac(text: str) -> str:
    return "" if not text.strip("0:") else text.lower()


def _type(source: Source, name: str, folder: str, kind: int) -> str:
    for member, found in (
        ("wireless", "wireless"),
        ("phy80211", "wireless"),
        ("bridge", "bridge"),
        ("bonding", "bond"),
        ("tun_flags", "tun"),
    ):
        if source.exists(f"{folder}/{member}"):
            return found
    if source.exists(f"/proc/net/vlan/{name}"):
        return "vlan"
    return _TYPES.get(kind, str(kind))


def routing(source: Source) -> dict[str, Any]:
    """Default routes, name servers and search domains."""
    gateways = _default_routes(source)
    servers, search = [], []
    for line in source.text("/etc/resolv.conf").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            servers.append(words[1])
        elif len(words) >= 2 and words[0] in {"search", "domain"}:
            search = words[1:]
    if servers == ["127.0.0.53"]:
        # The local resolver hides the real ones there.
        lines = source.text("/run/systemd/resolve/resolv.conf").splitlines()
        servers = [line.split()[1] for line in lines if line.startswith("nameserver ")] or servers
    forwarding = source.line("/proc/sys/net/ipv4/ip_forward") == "1"
    return {
        "default_routes": gateways,
        "dns_servers": servers[:16],
        "dns_search": search[:16],
        "ipv4_forwarding": forwarding,
        "ipv6_forwarding": source.line("/proc/sys/net/ipv6/conf/all/forwarding") == "1",
        "proxy": _proxy(source),
    }


def _proxy(source: Source) -> str:
    """The system-wide proxy without the credentials that may be in it."""
    for line in source.text("/etc/environment").splitlines():
        name, _, value = line.strip().partition("=")
        if name.casefold() in {"https_proxy", "http_proxy"}:
            address = value.strip("\"' ")
            scheme, separator, rest = address.rpartition("://")
            return f"{scheme}{separator}{rest.rpartition('@')[2]}"
    return ""


def _default_routes(source: Source) -> list[dict[str, Any]]:
    found = []
    for line in source.text("/proc/net/route", 1024 * 1024).splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[1] == "00000000" and words[7] == "00000000":
            raw = _hexadecimal(words[2], 4)
            if raw:
                gateway = address_text(raw[::-1])
                found.append({"gateway": gateway, "adapter": words[0], "metric": whole(words[6]) or 0, "version": 4})
    for line in source.text("/proc/net/ipv6_route", 1024 * 1024).splitlines():
        words = line.split()
        if len(words) >= 10 and words[1] == "00" and words[9] != "lo" and words[4].strip("0"):
            raw = _hexadecimal(words[4], 16)
            if raw:
                metric = whole(words[5], 16) or 0
                found.append({"gateway": address_text(raw), "adapter": words[9], "metric": metric, "version": 6})
    return sorted(found, key=lambda route: (route["version"], route["metric"], route["adapter"]))[:64]


def _hexadecimal(text: str, size: int) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return b""
    return raw if len(raw) == size else b""


def internal_ip(adapters: list[dict[str, Any]], routes: dict[str, Any]) -> str:
    """The address by which this machine is known to its network: that of the adapter with the default route."""
    order = [route["adapter"] for route in routes.get("default_routes", ())]
    ranked = sorted(adapters, key=lambda item: order.index(item["adapter"]) if item["adapter"] in order else len(order))
    for version in (".", ":"):
        for adapter in ranked:
            for address in adapter["addresses"]:
                if version in address["ip"] and address["scope"] == "global":
                    return str(address["ip"])
    return ""


def listening(source: Source) -> dict[str, Any]:
    """Ports open to other machines. No program and no user is named; what only this machine reaches is left out.

    Ports that the system hands out by chance are left out too: they tell nothing and change all the time.
    """
    words = source.line("/proc/sys/net/ipv4/ip_local_port_range").split()
    bounds = [whole(word) or 0 for word in words]
    low, high = (bounds[0], bounds[1]) if len(bounds) == 2 else (32768, 60999)
    found: dict[str, list[int]] = {}
    for protocol, state in (("tcp", _LISTEN), ("udp", _UNCONNECTED_UDP)):
        ports = {
            port
            for suffix in ("", "6")
            for port in _open_ports(source.text(f"/proc/net/{protocol}{suffix}", LARGE // 8), state)
            if not low <= port <= high
        }
        found[protocol] = sorted(ports)[:1000]
    return dict(found)


def _open_ports(text: str, state: str) -> list[int]:
    found = []
    for line in text.splitlines()[1:]:
        words = line.split(None, 4)
        if len(words) < 4 or words[3] != state:
            continue
        address, _, port = words[1].partition(":")
        local_only = address.endswith("7F") if len(address) == 8 else address == "0" * 24 + "01000000"
        number = whole(port, 16)
        if number and not local_only:
            found.append(number)
    return found
