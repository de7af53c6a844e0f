"""Who this device is: its key, its GUID, and the tokens that the Engine gave it.

Owns: the files in ``Certificates/Agent/Identity`` and the GUID and tokens in ``Settings``. May be called by:
``http``, ``enrolment``, ``app``. Does not: speak to the Engine, nor know whom the device trusts (``trust``).
"""

from borealis_agent.identity.assess import Found, Start, StartAction, TokenState, assess
from borealis_agent.identity.device import DeviceIdentity, open_identity
from borealis_agent.identity.device_key import load_device_key, load_or_create_device_key
from borealis_agent.identity.vault import AccessToken, TokenVault

__all__ = [
    "AccessToken",
    "DeviceIdentity",
    "Found",
    "Start",
    "StartAction",
    "TokenState",
    "TokenVault",
    "assess",
    "load_device_key",
    "load_or_create_device_key",
    "open_identity",
]
