"""An exception as a log may hold it: where it was raised and what it is, its own text only where that is safe.

A ``KeyError`` or ``ValueError`` of a library may quote what it was given: the text of an answer, or of a document. The
messages of Headwater's own errors name no content, and those of the operating system name files.
"""

import traceback

_OWN = frozenset(
    ("suffix_engine", "index_format", "indexing", "runtime", "shard_server", "coordinator", "headwater", "bench")
)
LEFT_OUT = "(its text is left out: it may quote a request or a document)"


def told(error: BaseException | None) -> str:
    """Returns the frames and the names of an exception and of those that led to it, oldest first."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{_named(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nand then\n\n".join(reversed(parts))


def _named(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, BaseExceptionGroup):
        return f"{name}: " + "; ".join(_named(each) for each in error.exceptions)
    is_safe = kind.__module__.partition(".")[0] in _OWN or isinstance(error, (OSError, ImportError))
    text = str(error) if is_safe else LEFT_OUT
    return f"{name}: {text}" if str(error) else name
