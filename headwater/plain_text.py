"""Text that strangers wrote, made safe to show: it moves no cursor, changes no colour and reverses no line."""

# Control pictures stand for the C0 controls (U+2400 + code) and for DEL; newline and tab keep their meaning.
_CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
# C1 controls (0x9B begins an escape sequence as ESC [ does), what reorders text or separates lines,
# surrogates.
_REPLACED = [
    *range(0x80, 0xA0),
    0x061C,
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
    *range(0xD800, 0xE000),
]
_VISIBLE = _CONTROL_PICTURES | dict.fromkeys(_REPLACED, 0xFFFD)


def visible(text: str) -> str:
    """Returns ``text``, equally long, with every control character replaced by one that can be seen."""
    return text.translate(_VISIBLE)


def shorten(text: str, width: int) -> str:
    """Returns ``text`` on one line of at most ``width`` characters, its middle left out if it is longer."""
    line = " ".join(text.split())
    if len(line) <= width:
        return line
    head = (width - 1) * 2 // 3
    tail = width - 1 - head
    return f"{line[:head].rstrip()}…{line[len(line) - tail :].lstrip()}"
