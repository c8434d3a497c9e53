"""Log lines as JSON: an event, its fields, the request's id. Nothing of a query or a document is ever logged.

Exceptions are told without the text of those that may hold some; see `told_exception`.
"""

import json
import logging
import sys
import time

from runtime import request_id
from runtime.told_exception import told

_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({})))


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON, its extra fields included."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (current := request_id.current()) is not None:
            fields["request_id"] = current
        # Ray adds a field of its own to every record, with an underscore in front.
        own = {name: value for name, value in vars(record).items() if name not in _STANDARD_FIELDS and name[0] != "_"}
        fields.update(own)
        if record.exc_info:
            fields["exception"] = told(record.exc_info[1])
        return json.dumps(fields, default=str)


def log_to_stderr(level: str) -> None:
    """Sends the process's log to standard error; ``level`` is debug, info, warning or error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
