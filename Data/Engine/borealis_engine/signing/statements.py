"""The chain of key statements on disk: what a device that was away must hear to trust today's key.

Owns ``key-statements.json``. Called by ``signing.service`` alone; holds public keys only.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from borealis_base.files import write_atomic
from borealis_engine.core.errors import Fatal
from borealis_wire.keys import VerifyKey

STATEMENTS_FILE: Final = "key-statements.json"


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A public key that once signed. Devices trust it until ``until`` (Unix seconds)."""

    key: VerifyKey
    until: float


@dataclass(frozen=True, slots=True)
class Chain:
    """All statements, oldest first, each sealed by a key that the one before it names; and the retired keys."""

    statements: tuple[dict[str, Any], ...] = ()
    newest_key_id: str = ""
    retired: tuple[RetiredKey, ...] = ()

    def trusted_retired(self, now: float) -> list[VerifyKey]:
        """Retired keys that still count."""
        return [retired.key for retired in self.retired if retired.until > now]


def load_chain(folder: Path) -> Chain:
    """Read the chain; empty where no key was ever rotated.

    Raises:
        Fatal: the file is torn. Without it, devices that were offline at the rotation could never follow.
    """
    path = folder / STATEMENTS_FILE
    try:
        document = json.loads(path.read_bytes())
        return Chain(
            tuple(dict(item) for item in document["statements"]),
            str(document["newest_key_id"]),
            tuple(
                RetiredKey(VerifyKey.from_spki_base64(item["public_key"]), float(item["until"]))
                for item in document["retired"]
            ),
        )
    except FileNotFoundError:
        return Chain()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fatal(
            "key_statements_unusable",
            f"{path} is torn. Restore it from a backup: devices that were offline when the signing key changed "
            "need it. If every device has been online since, it may be removed.",
        ) from error


def store_chain(folder: Path, chain: Chain) -> None:
    """Write the chain as a whole.

    Raises:
        OSError: the old file is then untouched.
    """
    document = {
        "statements": list(chain.statements),
        "newest_key_id": chain.newest_key_id,
        "retired": [{"public_key": item.key.spki_base64, "until": item.until} for item in chain.retired],
    }
    write_atomic(folder / STATEMENTS_FILE, json.dumps(document, indent=1).encode("utf-8"), mode=0o600)
