"""A redactor as an operator may write one."""

import re
from collections.abc import Sequence

from coordinator.redaction.found import Found, Passage


class HeronRedactor:
    """Finds herons. Implements `coordinator.redaction.found.Redactor`."""

    def find(self, passages: Sequence[Passage]) -> Sequence[Sequence[Found]]:
        """Returns them as birds."""
        return [[Found(*one.span(), "BIRD") for one in re.finditer("heron", passage.text)] for passage in passages]
