"""A section that a device read without trouble replaces what is stored, also where it is empty."""

from typing import Any

import pytest
from tests.fakes.device_world import HERE, SYSTEM, DeviceWorld

from borealis_engine.core.errors import Invalid
from borealis_wire.messages import Details


async def tell(world: DeviceWorld, guid: str, complete: list[str], **details: Any) -> None:
    await world.devices.details(guid, SYSTEM, Details(details=details, complete=complete), HERE)


async def test_what_is_really_empty_is_not_kept_for_ever(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await tell(world, guid, [], users={"signed_in": ["ada"], "groups": 3}, usb=[{"id": "1:2"}])
    await tell(world, guid, [], users={"signed_in": []}, usb=[])
    assert (await world.details(guid))["users"] == {"signed_in": ["ada"], "groups": 3}
    await tell(world, guid, ["users", "usb"], users={"signed_in": []}, usb=[])
    found = await world.details(guid)
    assert found["users"] == {"signed_in": []}
    assert found["usb"] == []


async def test_sections_that_are_not_sent_are_not_touched(world: DeviceWorld) -> None:
    guid = (await world.admit("lab")).guid
    await tell(world, guid, ["cpu"], cpu={"name": "x"})
    await tell(world, guid, ["cpu", "usb", "no such"], memory=[{"slot": "1"}], usb=None)
    found = await world.details(guid)
    assert (found["cpu"], found["memory"]) == ({"name": "x"}, [{"slot": "1"}])
    assert "usb" not in found


@pytest.mark.parametrize("details", [{"cpu": []}, {"memory": {}}, {"cpu": "x"}, {"no name!": {}}])
async def test_rejects_a_section_of_another_kind_also_where_it_is_called_complete(
    world: DeviceWorld, details: dict[str, Any]
) -> None:
    guid = (await world.admit("lab")).guid
    with pytest.raises(Invalid, match="invalid_payload"):
        await tell(world, guid, list(details), **details)
