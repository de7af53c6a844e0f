"""The one exception by which the wire says no."""

from borealis_wire.events import REFUSAL_ADVICE, RefusalCode


class Refused(Exception):
    """An order or message that must not be acted on. Never retried as it is.

    Attributes:
        code: the reason, as it travels to the Engine.
        detail: one sentence for the log; holds no secret and no script text.
    """

    def __init__(self, code: RefusalCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail

    def diagnostics(self) -> str:
        """What an operator should do next."""
        return REFUSAL_ADVICE[self.code]
