"""What can go wrong before a process serves.

RuntimeSetupError
|-- SettingsError    the operator: a setting is unknown, missing or out of range
`-- ListenError      the operator: an address cannot be listened at
"""


class RuntimeSetupError(Exception):
    """The base of what this package raises; the operator must act."""


class SettingsError(RuntimeSetupError):
    """A setting is unknown, missing or out of range, or its file cannot be read."""


class ListenError(RuntimeSetupError):
    """No address of those allowed can be listened at."""
