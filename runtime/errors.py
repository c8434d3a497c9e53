"""What can go wrong before a process serves.

RuntimeSetupError
|-- SettingsError        the operator: a setting is unknown, missing or out of range
|-- ListenError          the operator: an address cannot be listened at
|-- PublicListenError    the operator: others reach the address, and nothing protects it
`-- TlsFileError         the operator: a certificate, key or CA file is missing or wrong
"""


class RuntimeSetupError(Exception):
    """The base of what this package raises; the operator must act."""


class SettingsError(RuntimeSetupError):
    """A setting is unknown, missing or out of range, or its file cannot be read."""


class ListenError(RuntimeSetupError):
    """No address of those allowed can be listened at."""


class PublicListenError(RuntimeSetupError):
    """An address that others reach was to be served without TLS, or without knowing who calls."""


class TlsFileError(RuntimeSetupError):
    """A file of TLS cannot be read, or does not hold what it should."""
