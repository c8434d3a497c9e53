"""The settings of who may ask; the coordinator's configuration inherits them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class AccessSettings(BaseModel):
    """Keys, what they may be shown, and the record of admin calls. Limits count over all replicas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys_file: Path | None = Field(
        default=None,
        description="File of the keys that may ask, looked at every `reload_interval_s`. Absent: whoever reaches the "
        "coordinator may trace and read, and nobody may make admin calls.",
    )
    audit_log: Path | None = Field(
        default=None, description="File that takes a line for each admin call. Absent: only the log has it."
    )
    document_bytes_per_hour: int = Field(
        default=0, ge=0, description="Bytes of documents' text that a key is shown in an hour; 0: no limit."
    )
    document_bytes_per_day: int = Field(default=0, ge=0, description="The same in 24 hours; 0: no limit.")
    tokens_of_a_document_per_day: int = Field(
        default=5_000,
        ge=0,
        description="Different tokens of one document that a key is shown in 24 hours, so that it cannot be put "
        "together from its windows; 0: no limit.",
    )
