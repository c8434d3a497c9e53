"""What a key may do, and which role each method needs."""

import enum
from collections.abc import Mapping


class Role(enum.StrEnum):
    """One of the things that a key may be for. None includes another."""

    TRACE = "trace"
    READ_DOCUMENT = "read-document"
    ADMIN = "admin"


ROLES: Mapping[str, Role] = {
    "Trace": Role.TRACE,
    "TraceStream": Role.TRACE,
    "Count": Role.TRACE,
    "Describe": Role.TRACE,
    "GetDocument": Role.READ_DOCUMENT,
    "AddTakedowns": Role.ADMIN,
    "LiftTakedowns": Role.ADMIN,
    "ListTakedowns": Role.ADMIN,
    "PreviewTakedown": Role.ADMIN,
}
"""The role that each method of protos/coordinator/v1 needs. A method that is not here is open to nobody."""
