"""The key file: YAML or JSON, holders of keys with their roles, limits and the hashes of their keys."""

import re
import stat
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from coordinator.access.keyring import KeyHolder, Keyring, KeySecret, Limits
from coordinator.access.roles import Role
from coordinator.errors import ConfigurationError
from runtime.yaml_file import YamlFileError, parse_yaml

HOLDER_ID = r"^[A-Za-z0-9._:@/=-]{1,128}$"
_MAX_FILE_BYTES = 4 * 1024 * 1024
# Each costs every request a comparison.
_MAX_KEYS = 2_000


class _Part(BaseModel):
    # Whoever puts a key where its hash belongs must not find it in a log.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SecretEntry(_Part):
    """One key of a holder."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the key, as `headwater keys new` prints it.")
    not_before: AwareDatetime | None = Field(default=None, description="From when on it is good. Absent: always.")
    expires: AwareDatetime | None = Field(default=None, description="Until when it is good. Absent: for ever.")

    @model_validator(mode="after")
    def _is_good_at_some_time(self) -> Self:
        if self.not_before is not None and self.expires is not None and self.expires <= self.not_before:
            raise ValueError("expires is not after not_before")
        return self


class LimitsEntry(_Part):
    """How much a holder may ask and be shown. What is absent is as the coordinator's settings say; 0: no limit."""

    tokens_per_s: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="Tokens of answers that it may ask about in a second."
    )
    burst_tokens: int | None = Field(
        default=None, ge=1, description="Tokens that it may ask about at once after a quiet time."
    )
    document_bytes_per_hour: int | None = Field(
        default=None, ge=0, description="Bytes of documents' text that it is shown in an hour."
    )
    document_bytes_per_day: int | None = Field(default=None, ge=0, description="The same in 24 hours.")
    tokens_of_a_document_per_day: int | None = Field(
        default=None, ge=0, description="Different tokens of one document that it is shown in 24 hours."
    )


class HolderEntry(_Part):
    """Whom keys are for. Several keys of one holder are good at a time, so that one can take another's place."""

    id: str = Field(pattern=HOLDER_ID, description="Names it in logs and for its limits. Not secret.")
    roles: Annotated[frozenset[Role], Field(min_length=1)] = Field(
        description="What it may do: `trace`, `read-document`, `admin`."
    )
    secrets: Annotated[tuple[SecretEntry, ...], Field(min_length=1)] = Field(description="Its keys.")
    limits: LimitsEntry | None = Field(default=None, description="How much it may ask and be shown.")
    comment: str | None = Field(default=None, max_length=1_000, description="For whoever reads the file.")


class KeyFile(_Part):
    """Who may ask."""

    keys: tuple[HolderEntry, ...] = Field(description="The holders of keys; none: nobody may ask.")

    @model_validator(mode="after")
    def _has_each_once(self) -> Self:
        ids = [holder.id for holder in self.keys]
        hashes = [secret.sha256 for holder in self.keys for secret in holder.secrets]
        if twice := _first_twice(ids):
            raise ValueError(f"id {twice!r} stands there twice; give it several secrets instead")
        if twice := _first_twice(hashes):
            raise ValueError(f"the sha256 that begins {twice[:8]} stands there twice")
        if len(hashes) > _MAX_KEYS:
            raise ValueError(f"{len(hashes)} keys, expected at most {_MAX_KEYS}")
        return self


def parse_key_file(content: bytes, path: Path) -> Keyring:
    """Returns the keys that a file holds; ``path`` is for messages.

    Raises:
        ConfigurationError: it is not a key file. The message repeats no value of it.
    """
    try:
        raw = parse_yaml(content.decode())
    except (UnicodeDecodeError, YamlFileError) as error:
        # Not its message, which repeats what stands there.
        mark = getattr(error.__cause__, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{path}{place}: expected YAML or JSON in UTF-8") from None
    try:
        file = KeyFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {'; '.join(map(_explain, error.errors()[:4]))}") from None
    return Keyring(key for holder in file.keys for key in _keys_of(holder))


def read_key_file(path: Path) -> bytes:
    """Returns the content of a key file.

    Raises:
        ConfigurationError: it cannot be read, or anybody may write it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the keys ({error.strerror})") from error
    if mode & stat.S_IWOTH:
        raise ConfigurationError(f"{path}: mode {mode:o} lets anybody add a key; take that away: chmod o-w")
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigurationError(f"{path}: over the limit of {_MAX_FILE_BYTES} bytes")
    return content


def _keys_of(entry: HolderEntry) -> list[KeySecret]:
    limits = Limits(**entry.limits.model_dump()) if entry.limits else Limits()
    holder = KeyHolder(entry.id, entry.roles, limits)
    return [KeySecret(bytes.fromhex(each.sha256), holder, each.not_before, each.expires) for each in entry.secrets]


def _first_twice(values: list[str]) -> str:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return ""


def _explain(fault: Any) -> str:
    # Names of unknown settings are the file's own words, too: what looks like a key is cut.
    place = ".".join(re.sub(r"[^\w.-]", "?", str(part))[:24] for part in fault["loc"]) or "the file"
    return f"{place}: {fault['msg']}"
