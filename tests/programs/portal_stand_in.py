"""A desktop's portal for tests, on a real session bus: answers requests for screenshots as it is told, with real files.

    python portal_stand_in.py ANSWER FOLDER

ANSWER: ``granted``, ``denied``, ``ended``, ``silent``, ``elsewhere`` (an address that is no file), ``link`` (the file
is a link to another), ``broken`` (the file is no picture). Prints ``ready``, then a line for each call that it hears.
"""

import sys
from pathlib import Path

from jeepney import HeaderFields, MessageType, message_bus, new_method_return, new_signal
from jeepney.bus_messages import DBusNameFlags
from jeepney.io.blocking import Proxy, open_dbus_connection
from jeepney.low_level import Message
from jeepney.wrappers import DBusAddress
from PIL import Image

REQUEST = "org.freedesktop.portal.Request"
CODES = {"denied": 1, "ended": 2}


def main(answer: str, folder: Path) -> int:
    connection = open_dbus_connection(bus="SESSION")
    Proxy(message_bus, connection).RequestName("org.freedesktop.portal.Desktop", DBusNameFlags.do_not_queue)
    print("ready", flush=True)
    while True:
        call = connection.receive()
        fields = call.header.fields
        if call.header.message_type is not MessageType.method_call:
            continue
        print(fields[HeaderFields.member], flush=True)
        if fields[HeaderFields.member] == "Screenshot":
            respond(connection, call, answer, folder)


def respond(connection: "object", call: Message, answer: str, folder: Path) -> None:
    asker, (_, options) = call.header.fields[HeaderFields.sender], call.body
    assert options["interactive"] == ("b", False)
    token = options["handle_token"][1]
    handle = f"/org/freedesktop/portal/desktop/request/{asker[1:].replace('.', '_')}/{token}"
    connection.send(new_method_return(call, "o", (handle,)))  # type: ignore[attr-defined]
    if answer == "silent":
        return
    code = CODES.get(answer, 0)
    results = {} if code else {"uri": ("s", made(answer, folder))}
    place = DBusAddress(handle, bus_name=asker, interface=REQUEST)
    signal = new_signal(place, "Response", "ua{sv}", (code, results))
    signal.header.fields[HeaderFields.destination] = asker
    connection.send(signal)  # type: ignore[attr-defined]


def made(answer: str, folder: Path) -> str:
    path = folder / "Screen shot.png"
    if answer == "elsewhere":
        return "https://example.com/picture.png"
    if answer == "broken":
        path.write_bytes(b"no picture")
    elif answer == "link":
        Image.new("RGB", (4, 4)).save(folder / "target.png")
        path.symlink_to(folder / "target.png")
    else:
        picture = Image.new("RGB", (320, 200), (255, 128, 0))
        picture.paste((0, 64, 192), (0, 0, 10, 10))
        picture.save(path)
    return path.as_uri()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
