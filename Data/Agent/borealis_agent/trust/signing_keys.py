"""The signing keys a device trusts, as a value. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from borealis_wire.keys import VerifyKey


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """Key id to key, the Engine's current one first; ids that were ever revoked; when the Engine last said so."""

    keys: Mapping[str, VerifyKey] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()
    issued_at: float = 0.0

    @property
    def current(self) -> VerifyKey | None:
        """The key that the Engine named first."""
        return next(iter(self.keys.values()), None)

    @classmethod
    def from_enrolment(cls, signing_keys: Any, signing_key: Any, *, issued_at: float) -> "TrustedKeys":
        """The keys of an approved enrolment (contract 8); ``signing_key`` alone where an older Engine sends no list.

        Args:
            issued_at: when the Engine said so, by its own clock: statements from before tell nothing new, and an old
                one must not bring a key back that was revoked since. 0 where that is not known.

        Raises:
            ValueError: no key at all, or one that is not what its id says.
        """
        listed: list[VerifyKey] = []
        for item in signing_keys if isinstance(signing_keys, list) else ():
            if not isinstance(item, dict) or not isinstance(item.get("public_key"), str):
                raise ValueError("a signing key has key_id and public_key")
            key = VerifyKey.from_spki_base64(item["public_key"])
            if item.get("key_id") != key.key_id:
                raise ValueError("a signing key's id does not belong to it")
            listed.append(key)
        if not listed and isinstance(signing_key, str) and signing_key:
            listed.append(VerifyKey.from_spki_base64(signing_key))
        if not 1 <= len(listed) <= 16:
            raise ValueError("the Engine gave no signing key")
        return cls(index_keys(listed), issued_at=issued_at)


def index_keys(keys: Iterable[VerifyKey]) -> dict[str, VerifyKey]:
    """Key id to key, in the order given."""
    return {key.key_id: key for key in keys}
