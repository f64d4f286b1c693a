"""What a process says by leaving; a supervisor starts it again after STUCK and FAULT."""

from typing import Final

STUCK: Final = 74
"""Alive, and does nothing."""
FAULT: Final = 75
"""EX_TEMPFAIL: what is written is right, it goes on where it had committed."""
HALT: Final = 76
"""State and log disagree: not to be started again before somebody has looked."""
REFUSED: Final = 77
"""EX_NOPERM: broker or registry does not let it in; mend credentials or ACLs first."""
