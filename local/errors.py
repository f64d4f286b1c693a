"""The one error of the local stack: what went wrong, and what to do about it."""


class StackError(RuntimeError):
    """A part of the local stack cannot be had. `str()` is the whole text for a user; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n{remedy}")
        self.message = message
        self.remedy = remedy
