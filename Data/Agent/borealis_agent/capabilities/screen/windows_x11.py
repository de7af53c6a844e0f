"""The windows of an X11 desktop, by python-xlib. Runs in the child process."""

from typing import Any, Final

MAX_WINDOWS: Final = 256
MAX_TITLE: Final = 200


def list_windows() -> list[dict[str, Any]]:
    """Top-level windows with a title, the lowest first: ``id``, ``title``, ``program``, ``x``, ``y``, ``width``,
    ``height``, ``active``.

    A window manager keeps the list; without one every child of the root that is shown and named counts.
    """
    from Xlib import X, display, error

    screen = display.Display()
    try:
        root = screen.screen().root
        active = numbers_of(screen, root, "_NET_ACTIVE_WINDOW")
        managed = numbers_of(screen, root, "_NET_CLIENT_LIST_STACKING") or numbers_of(screen, root, "_NET_CLIENT_LIST")
        windows = (
            [screen.create_resource_object("window", number) for number in managed]
            if managed
            else [one for one in root.query_tree().children if one.get_attributes().map_state == X.IsViewable]
        )
        found = []
        for window in windows[-MAX_WINDOWS:]:
            try:
                title = title_of(screen, window)
                if not title and not managed:
                    continue
                size, at = window.get_geometry(), window.translate_coords(root, 0, 0)
                kind = window.get_wm_class()
            except error.XError:  # it was closed at this moment
                continue
            found.append(
                {
                    "id": window.id,
                    "title": title[:MAX_TITLE],
                    "program": str(kind[-1])[:MAX_TITLE] if kind else "",
                    # translate_coords says where the root is, seen from the window
                    "x": -at.x,
                    "y": -at.y,
                    "width": size.width,
                    "height": size.height,
                    "active": window.id in active,
                }
            )
        return found
    finally:
        screen.close()


def numbers_of(screen: Any, window: Any, name: str) -> list[int]:
    """A window's property that holds numbers; none where there is no such property."""
    from Xlib import X

    found = window.get_full_property(screen.get_atom(name), X.AnyPropertyType)
    return [int(value) for value in found.value] if found is not None else []


def title_of(screen: Any, window: Any) -> str:
    """A window's title, empty where it has none. Raises ``Xlib.error.XError`` where the window is gone."""
    from Xlib import X

    for name in ("_NET_WM_NAME", "WM_NAME"):
        found = window.get_full_property(screen.get_atom(name), X.AnyPropertyType)
        if found is not None and found.value:
            value = found.value
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return ""
