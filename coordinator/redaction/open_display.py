"""From settings to a display."""

from coordinator.errors import ConfigurationError
from coordinator.redaction.display import Display
from coordinator.redaction.patterns import PatternRedactor
from coordinator.redaction.phones import check_region
from coordinator.redaction.plugins import load_redactor
from coordinator.redaction.rules import redaction_rules
from coordinator.redaction.settings import RedactionSettings


def open_display(settings: RedactionSettings) -> Display:
    """Returns what decides on display as the settings say.

    Raises:
        ConfigurationError: the file of rules, the country or a redactor is wrong.
    """
    region = settings.redact_phone_region
    if region is not None and (fault := check_region(region)) is not None:
        raise ConfigurationError(f"redact_phone_region: {fault}")
    redactors = (PatternRedactor(region), *map(load_redactor, settings.redactors or ()))
    return Display(
        redaction_rules(settings.redaction), redactors, refuses_personal_queries=settings.refuse_personal_queries
    )
