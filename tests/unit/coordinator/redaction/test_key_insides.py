"""Insides of private keys: looked for near likely places, found as by a look at every character."""

import random
import string

from coordinator.redaction import keys
from coordinator.redaction.prefilter import places

BASE64 = string.ascii_letters + string.digits + "+/="


def random_text(choose: random.Random) -> str:
    """Returns words, lines of base64 and what cuts leave of them, in turn."""
    end_of_line = choose.choice(["\n", "\r\n", "\\n"])
    parts = []
    for _ in range(choose.randint(0, 3)):
        words = ("".join(choose.choices(string.ascii_lowercase, k=choose.randint(1, 9))) for _ in range(20))
        sizes = [choose.randint(0, 80), *[choose.choice([50, 60, 64, 76, 77])] * choose.randint(0, 6)]
        lines = ("".join(choose.choices(BASE64, k=size)) + end_of_line for size in sizes)
        rest = "".join(choose.choices(BASE64, k=choose.randint(0, 80)))
        parts += [" ".join(words), choose.choice(["", " ", "\n"]), *lines, rest]
    return "".join(parts)


def test_insides_are_those_that_a_look_at_every_character_finds() -> None:
    choose = random.Random(0)
    num_found = 0
    for _ in range(2_000):
        text = random_text(choose)
        expected = [
            found.span()
            for found in keys._INSIDE.finditer(text)
            if all(any(map(has, found[0])) for has in (str.isupper, str.islower, str.isdigit))
        ]
        [here] = places([text])
        found = [(one.start, one.end) for one in keys._insides(text, here.keys if here else [])]
        assert found == expected, text
        num_found += len(expected)
    assert num_found > 1_000
