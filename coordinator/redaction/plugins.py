"""Redactors of other packages, by name."""

import importlib

from coordinator.errors import ConfigurationError
from coordinator.redaction.found import Redactor

_OWN = {"presidio": "coordinator.redaction.presidio:PresidioRedactor"}


def load_redactor(name: str) -> Redactor:
    """Returns a new redactor of the class or function that ``module:name`` says, called without arguments.

    Raises:
        ConfigurationError: there is none, or it cannot be made; says why.
    """
    module, colon, attribute = _OWN.get(name, name).partition(":")
    if not colon:
        raise ConfigurationError(f"redactor {name[:100]!r}, expected module:name, or one of {', '.join(_OWN)}")
    try:
        redactor = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"redactor {name}: cannot be loaded ({error})") from error
    if not callable(getattr(redactor, "find", None)):
        raise ConfigurationError(f"redactor {name}: {module}:{attribute} has no method find(passages)")
    loaded: Redactor = redactor
    return loaded
