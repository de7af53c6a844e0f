"""What a credential is, without and with its secret."""

from dataclasses import dataclass, field
from typing import Final

SSH: Final = "ssh"
WINDOWS: Final = "windows"
KINDS: Final = (SSH, WINDOWS)
TRANSPORTS: Final = ("ntlm", "basic")
"""How Windows is told the password: by challenge, or the password itself, which wants TLS."""
BECOME_METHODS: Final = ("sudo", "su", "doas", "runas")


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as operators see it. Times are Unix seconds.

    Attributes:
        id: its number, given once.
        name: unique, however capitalised.
        kind: ``ssh`` or ``windows``.
        site_id: the site whose machines it may be used on; None for all.
        username: whom it signs in as.
        secret_kind: ``key`` or ``password``.
        key_fingerprint: ``SHA256:…`` of an ssh key's public half; empty for passwords.
        transport: of Windows.
        become_method: how rights are raised; empty where they are not.
        become_username: to whom; empty for the method's own.
        used_at: when a run last used it; None for never.
    """

    id: int
    name: str
    description: str
    kind: str
    site_id: int | None
    username: str
    secret_kind: str
    key_fingerprint: str
    transport: str
    become_method: str
    become_username: str
    created_by: str
    created_at: float
    updated_at: float
    used_at: float | None


@dataclass(frozen=True, slots=True)
class BecomeSecret:
    """How rights are raised. ``method`` empty: they are not."""

    method: str = ""
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CredentialSecret:
    """All that signing in takes. Never logged, never answered; ``repr`` says whose it is and no more."""

    username: str
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    transport: str = ""
    become: BecomeSecret = field(default_factory=BecomeSecret)


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential to be kept."""

    name: str
    kind: str
    secret: CredentialSecret
    description: str = ""
    site_id: int | None = None
