"""The pinned Engine on disk: its CA, its address, and the signing keys this device trusts (contract 2 and 4).

Owns ``trust.json``, written as a whole, and ``server_certificate.pem``, the CA in the form that other tools read.
The CA is checked against the pin each time it is loaded. The pin changes by :meth:`TrustStore.pin` alone, which
only an enrolment under an operator's token (or an explicit ``--trust-on-first-use``) calls.
"""

import contextlib
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from borealis_agent.core.certificates import read_pem
from borealis_agent.core.errors import Fatal
from borealis_agent.core.ownership import require_own
from borealis_agent.trust.policy import apply_keys
from borealis_agent.trust.signing_keys import TrustedKeys, index_keys
from borealis_base.clock import Clock
from borealis_base.files import exclusive_lock, move_aside, private_folder, write_atomic
from borealis_wire.events import RefusalCode
from borealis_wire.keys import VerifyKey
from borealis_wire.refusal import Refused

TRUST_FILE: Final = "trust.json"
BUNDLE_FILE: Final = "server_certificate.pem"
_LOCK_FILE: Final = ".trust.lock"
_MAX_FILE_BYTES: Final = 256 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pinned:
    """What is pinned. ``ca_pin`` is the hex SHA-256 of the CA's SPKI, empty where nothing is pinned."""

    ca_pin: str = ""
    ca_pem: str = ""
    engine_url: str = ""
    keys: TrustedKeys = field(default_factory=TrustedKeys)


class TrustStore:
    """The pinned Engine of this device; both agents of a device share the files.

    Fulfils ``http.ports.TrustPort``. Files are written first, memory is swapped after.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._pinned = Pinned()
        self._stamp: tuple[int, int, int] | None = None
        self.reload()

    @property
    def ca_pin(self) -> str:
        """Hex SHA-256 of the pinned CA's SPKI; empty where nothing is pinned."""
        return self._pinned.ca_pin

    @property
    def ca_pem(self) -> str:
        """The pinned CA; empty where it has to be fetched again and compared with the pin."""
        return self._pinned.ca_pem

    @property
    def engine_url(self) -> str:
        """The address that was used at enrolment."""
        return self._pinned.engine_url

    @property
    def keys(self) -> TrustedKeys:
        """The trusted signing keys, with what is known of revoked ones."""
        return self._pinned.keys

    @property
    def trusted(self) -> dict[str, VerifyKey]:
        """Key id to key: what ``policy.verify_job`` takes."""
        return dict(self._pinned.keys.keys)

    @property
    def signing_key_base64(self) -> str:
        """The Engine's current signing key as base64 SPKI; empty before enrolment."""
        current = self._pinned.keys.current
        return current.spki_base64 if current else ""

    def reload(self) -> bool:
        """Read the file again if it changed, because the other agent may have enrolled or heard of a new key.

        Raises:
            Fatal: the files belong to another account.
        """
        stamp = self._file_stamp()
        if stamp == self._stamp:
            return False
        self._pinned = self._load()
        self._stamp = self._file_stamp()
        return True

    def pin(self, *, engine_url: str, ca_pem: str, ca_pin: str, keys: TrustedKeys) -> None:
        """Trust this Engine from now on, and no other. Called after an operator approved an enrolment with it.

        Raises:
            ValueError: the certificate does not have the pinned key, or there is no signing key.
            OSError: the old pin is then untouched.
        """
        if not keys.keys or read_pem(ca_pem)[0].pin != ca_pin:
            raise ValueError("the certificate does not belong to the pin")
        with self._locked():
            self._store(Pinned(ca_pin, ca_pem, engine_url, keys))
        log.info("pinned the Engine at %s: CA %s, signing key %s", engine_url, ca_pin, ", ".join(keys.keys))

    def replace_ca_certificate(self, pem: str) -> None:
        """Take another certificate of the same CA key: a renewed one. The pin stays.

        Raises:
            ValueError: it has another key.
            OSError: the old one is then untouched.
        """
        if read_pem(pem)[0].pin != self.ca_pin:
            raise ValueError("the certificate does not belong to the pin")
        with self._locked():
            self._store(replace(self._pinned, ca_pem=pem))
        log.info("the Engine's CA %s has a renewed certificate", self.ca_pin)

    def apply_statement(self, payload: Any) -> bool:
        """Follow ``signing_keys_changed``; true if the keys changed, false for a statement this device knows already.

        Raises:
            Refused: not signed by a trusted key, or not readable; nothing changed.
            OSError: nothing changed.
        """
        with self._locked():
            try:
                keys = apply_keys(payload, current=self._pinned.keys)
            except Refused as refusal:
                if refusal.code is RefusalCode.REPLAYED:
                    return False
                log.warning("signature: a key statement was refused: %s", refusal)
                raise
            self._store(replace(self._pinned, keys=keys))
        log.info("signature: the Engine changed its signing keys; trusted now: %s", ", ".join(keys.keys))
        return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # With the newest state loaded: two agents never write over each other's news.
        private_folder(self._folder)
        with exclusive_lock(self._folder / _LOCK_FILE, timeout=10):
            self.reload()
            yield

    def _store(self, pinned: Pinned) -> None:
        # The readable copy first: trust.json alone is believed, so a crash in between changes nothing.
        write_atomic(self._folder / BUNDLE_FILE, pinned.ca_pem.encode("ascii"), mode=0o644)
        write_atomic(self._folder / TRUST_FILE, _to_bytes(pinned), mode=0o644)
        self._pinned, self._stamp = pinned, self._file_stamp()

    def _load(self) -> Pinned:
        path = self._folder / TRUST_FILE
        try:
            require_own(path)
            with path.open("rb") as file:
                return _from_bytes(file.read(_MAX_FILE_BYTES))
        except FileNotFoundError:
            return Pinned()
        except ValueError as error:
            problem = error
        except OSError as error:
            raise Fatal(
                f"{path} cannot be read ({error})", advice="Run the agent as the account that enrolled this device."
            ) from error
        try:
            log.error("%s is torn (%s); moved to %s", path, problem, move_aside(path, self._clock.now()).name)
        except OSError as error:
            log.error("%s is torn (%s) and cannot be moved aside: %s", path, problem, error)
        return Pinned()

    def _file_stamp(self) -> tuple[int, int, int] | None:
        try:
            found = (self._folder / TRUST_FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _to_bytes(pinned: Pinned) -> bytes:
    document = {
        "version": 1,
        "engine_url": pinned.engine_url,
        "ca_pin": pinned.ca_pin,
        "ca_certificate": pinned.ca_pem,
        "signing_keys": [{"key_id": key.key_id, "public_key": key.spki_base64} for key in pinned.keys.keys.values()],
        "revoked": sorted(pinned.keys.revoked),
        "statement_issued_at": pinned.keys.issued_at,
    }
    return json.dumps(document, indent=1).encode("utf-8")


def _from_bytes(raw: bytes) -> Pinned:
    """Read ``trust.json``.

    Raises:
        ValueError: torn, or what it says does not fit together.
    """
    try:
        document = json.loads(raw)
        if document["version"] != 1:
            raise ValueError("it is from another version")
        keys = [VerifyKey.from_spki_base64(item["public_key"]) for item in document["signing_keys"]]
        revoked = frozenset(str(key_id) for key_id in document["revoked"])
        issued_at = float(document["statement_issued_at"])
        ca_pin, ca_pem = str(document["ca_pin"]), str(document["ca_certificate"])
        engine_url = str(document["engine_url"])
        fits = read_pem(ca_pem)[0].pin == ca_pin
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is cut short") from error
    if not fits or not keys or not math.isfinite(issued_at) or revoked & {key.key_id for key in keys}:
        raise ValueError("what it says does not fit together")
    return Pinned(ca_pin, ca_pem, engine_url, TrustedKeys(index_keys(keys), revoked, issued_at))
