"""Names of accounts on a device, as orders, tokens and reports carry them."""

from typing import Final

MAX_ACCOUNT_NAME: Final = 256


def is_account_name(value: object) -> bool:
    """Whether something can be the name of an account: 1 to 256 printable characters, no blanks around them."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= MAX_ACCOUNT_NAME
        and value.isprintable()
        and value == value.strip()
    )
