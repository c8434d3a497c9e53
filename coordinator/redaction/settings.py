"""The settings of redaction; the coordinator's configuration inherits them."""

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_REDACTION = "redact"


class RedactionSettings(BaseModel):
    """What is done about personal data and secrets in documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redaction: str = Field(
        default=DEFAULT_REDACTION,
        description="What is done about e-mail addresses, phone and card numbers, IP addresses and keys in documents: "
        "`redact` shows placeholders, `withhold` leaves the documents out, `off` shows them. Or a YAML file that says "
        "so by source and corpus (docs/security.md).",
    )
    redact_phone_region: str | None = Field(
        default=None,
        description="Country, as in `DE`, whose phone numbers are told without its code. Absent: only numbers with a "
        "country's code, of North America's form, or after a word like `Tel.`.",
    )
    redactors: tuple[str, ...] | None = Field(
        default=None, description="Redactors to ask besides: `presidio`, or `module:name` of one of yours."
    )
    refuse_personal_queries: bool = Field(
        default=False,
        description="Refuse to count texts that hold personal data and to trace what is mostly such, and tell no span "
        "that holds any: whether it occurs is an answer, too.",
    )
