"""How an operator wants a playbook to be run, and what becomes of its vault password; pure."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from borealis_engine.core.errors import Conflict, Invalid
from borealis_wire.events import RunContext, ScriptType
from borealis_wire.keys import VerifyKey
from borealis_wire.playbooks import MAX_LIMIT, MAX_TAG, MAX_TAGS, VAULT_PASSWORD, PlaybookOptions, parse_options
from borealis_wire.refusal import Refused
from borealis_wire.secrets import MAX_SECRET_BYTES, seal_secret

_Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=MAX_TAG)]], Meta(max_length=MAX_TAGS)]


class PlaybookRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``ansible-playbook`` knows by the same names; extra variables are the job's ``variable_values``.

    ``check``: say what would change, change nothing. ``diff``: show the difference in each file that changes.
    ``tags``, ``skip_tags``: run only, or leave out, what has one of them. ``limit``: a pattern of hosts.
    """

    check: bool = False
    diff: bool = False
    tags: _Tags = msgspec.field(default_factory=list)
    skip_tags: _Tags = msgspec.field(default_factory=list)
    limit: Annotated[str, Meta(max_length=MAX_LIMIT)] = ""


def options_of(
    script_type: ScriptType, context: RunContext, asked: PlaybookRequest | None, vault_password: str
) -> PlaybookOptions | None:
    """The options to seal; None for what is no playbook.

    Raises:
        Invalid: ``invalid_playbook``, ``invalid_context``, ``invalid_vault_password``.
    """
    if script_type is not ScriptType.ANSIBLE:
        if asked is not None or vault_password:
            raise Invalid("invalid_playbook", "Only script_type ansible takes playbook options and a vault password.")
        return None
    if context is not RunContext.SYSTEM:
        raise Invalid("invalid_context", "Playbooks run as system; in the playbook, become says as whom.")
    if len(vault_password.encode("utf-8", "replace")) > MAX_SECRET_BYTES or "\n" in vault_password.strip("\n"):
        raise Invalid("invalid_vault_password", f"A vault password is one line of at most {MAX_SECRET_BYTES} bytes.")
    try:
        return parse_options(msgspec.to_builtins(asked or PlaybookRequest()))
    except Refused as error:
        raise Invalid("invalid_playbook", f"The playbook cannot be run so: {error.detail}.") from error


def secrets_for(vault_password: str, keys: Mapping[str, bytes], guid: str) -> dict[str, str]:
    """The secrets of one run, sealed for its device's own key; nobody else can open them, the Engine neither.

    Raises:
        Conflict: ``device_key_unusable``.
    """
    if not vault_password:
        return {}
    try:
        return {VAULT_PASSWORD: seal_secret(vault_password, VerifyKey.from_spki(keys[guid]))}
    except (ValueError, KeyError) as error:
        raise Conflict(
            "device_key_unusable", f"Nothing can be sealed for the key of device {guid}. Enrol it again."
        ) from error
