"""What happens to personal data in documents, by where they come from: the rules, and the file that says them.

::

    default: redact          # what no other line says: redact, withhold or off
    corpora: {code: off}     # by name of the corpus
    sources:                 # by the documents' own source, before the corpus; a '*' at the end stands for any rest
      wikipedia: off
      "forum-*": withhold
"""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from coordinator.errors import ConfigurationError


class Treatment(enum.StrEnum):
    """What happens to a document that holds personal data."""

    REDACT = "redact"
    WITHHOLD = "withhold"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """How documents are treated: by source, else by corpus, else by default."""

    default: Treatment = Treatment.REDACT
    corpora: Mapping[str, Treatment] = field(default_factory=dict)
    sources: Mapping[str, Treatment] = field(default_factory=dict)

    @property
    def is_off(self) -> bool:
        """Whether nothing is ever looked for."""
        return {self.default, *self.corpora.values(), *self.sources.values()} == {Treatment.OFF}

    @property
    def by_source(self) -> bool:
        """Whether a document's source matters."""
        return bool(self.sources)

    def check_corpora(self, served: Collection[str]) -> None:
        """Checks that each corpus with a rule is served: a rule for a name that nothing has is in force nowhere.

        Raises:
            ConfigurationError: one is not.
        """
        if unknown := sorted(set(self.corpora) - set(served)):
            raise ConfigurationError(
                f"rules of redaction: there is no corpus {unknown[0][:100]!r}, expected some of {', '.join(served)}"
            )

    def of(self, corpus: str, source: str) -> Treatment:
        """Returns how a document is treated. Of several names with a ``*`` the longest counts."""
        if source in self.sources:
            return self.sources[source]
        fitting = [name for name in self.sources if name.endswith("*") and source.startswith(name[:-1])]
        if fitting:
            return self.sources[max(fitting, key=len)]
        return self.corpora.get(corpus, self.default)


def _word(value: Any) -> Any:
    return "off" if value is False else value  # as YAML reads `off`


_Treatment = Annotated[Treatment, BeforeValidator(_word)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    default: _Treatment = Treatment.REDACT
    corpora: dict[str, _Treatment] = Field(default_factory=dict)
    sources: dict[str, _Treatment] = Field(default_factory=dict)


def redaction_rules(setting: str) -> RedactionRules:
    """Returns the rules that a setting says: one word for all documents, or the path of a file.

    Raises:
        ConfigurationError: it is no word, and there is no such file or it does not say rules.
    """
    if setting in tuple(Treatment):
        return RedactionRules(Treatment(setting))
    words = ", ".join(Treatment)
    path = Path(setting)
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"redaction is {setting[:200]!r}, expected one of {words}, or a file; there is no such file"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f"{path}: cannot read the rules of redaction ({error})") from error
    try:
        rules = _File.model_validate(content)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(f"{path}: {details}; each entry is one of {words}") from None
    return RedactionRules(rules.default, rules.corpora, rules.sources)
