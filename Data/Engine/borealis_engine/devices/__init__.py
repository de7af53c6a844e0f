"""Devices: the Engine's record of each machine, who is there now, what they are, and the sites they belong to.

Owns the tables ``devices``, ``device_keys``, ``device_inventory`` and ``sites``. May be called by: ``enrolment``
(admission, inside its transaction), ``jobs`` (targets), ``dispatch`` (standing), ``gateway`` (presence) and ``api``.
It opens no socket and sends nothing to a device; operators hear of changes by the feed (``device_changed``).

``device_changed`` has ``change``: ``enrolled``, ``added``, ``online``, ``offline``, ``session``, ``user``, ``roles``,
``details``, ``status``, ``renamed``, ``edited``, ``site``, ``duplicate``; or ``left_site`` and ``deleted``, after which
who hears it may not see the device any more.
"""

from borealis_engine.devices.admission import admit, find_by_fingerprint, find_by_guid, find_by_hostname
from borealis_engine.devices.models import DeviceAuth, DeviceEdit, DeviceQuery, DeviceRecord, KnownDeviceRow, Site
from borealis_engine.devices.service import DeviceService

__all__ = [
    "DeviceAuth",
    "DeviceEdit",
    "DeviceQuery",
    "DeviceRecord",
    "DeviceService",
    "KnownDeviceRow",
    "Site",
    "admit",
    "find_by_fingerprint",
    "find_by_guid",
    "find_by_hostname",
]
