"""Why a command ends: one sentence for people, an exit status for programs.

CliError
├── Refusal       1 or 4  the Engine said no; carries its code
└── Unreachable   3       no answer from the Engine
"""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
NOT_ALLOWED: Final = 4
INTERRUPTED: Final = 130

EXIT_STATUSES: Final = (
    "Exit status: 0 done; 1 the Engine refused, or a run did not end in Success; 2 wrong usage; 3 the Engine cannot "
    "be reached; 4 not signed in, or not allowed; 130 interrupted."
)


class CliError(Exception):
    """A command cannot go on. The text is a sentence for the person at the keyboard."""

    def __init__(self, sentence: str, status: int = FAILED) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


class Refusal(CliError):
    """The Engine answered with an error."""

    def __init__(self, http_status: int, code: str, detail: str) -> None:
        status = NOT_ALLOWED if http_status in {401, 403} else FAILED
        super().__init__(f"{detail} ({code})" if code else detail, status)
        self.http_status = http_status
        self.code = code
        self.detail = detail


class Unreachable(CliError):
    """No answer from the Engine."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, UNREACHABLE)
