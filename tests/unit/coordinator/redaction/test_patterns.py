"""What the patterns find and what they leave alone, also where a text is cut."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.redaction.cards import luhn
from coordinator.redaction.found import Passage, merged
from coordinator.redaction.patterns import PatternRedactor
from coordinator.redaction.placeholders import RedactedText
from coordinator.redaction.prefilter import places


def redacted(text: str, *, cut_start: bool = False, cut_end: bool = False, region: str | None = None) -> str:
    [found] = PatternRedactor(region).find([Passage(text, cut_start, cut_end)])
    return RedactedText(text, merged(found)).text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mail john.doe@example.com now", "mail [EMAIL] now"),
        ("the (jane (at) host (dot) org) list", "the ([EMAIL]) list"),
        ("call +1 (212) 555-0123, or 212-555-0123.", "call [PHONE], or [PHONE]."),
        ("from 93.184.216.34 and 2606:2800:220:1:248:1893:25c8:1946", "from [IP] and [IP]"),
        ("id AKIAIOSFODNN7EXAMPLE.", "id [KEY]."),
        ("4111 1111 1111 1111, 5555555555554444", "[CARD], [CARD]"),
        ("postgres://app:hunter2hunter2@db:5432/app", "postgres://app:[KEY]@db:5432/app"),
        ("or _me@example.org_ and __you (at) example.org__", "or [EMAIL]_ and [EMAIL]__"),
        ("a@b.org,c@d.org;e@f.org.", "[EMAIL],[EMAIL];[EMAIL]."),
        ("john@x.com(home), eve@y.co.uk(", "[EMAIL](home), [EMAIL]("),
        ("git@smith.org, or git@smith.org: see", "[EMAIL], or [EMAIL]: see"),
    ],
)
def test_what_is_personal_becomes_a_placeholder(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "any ten digits 1234567890 in a row",
        "y = A@B.T + (x@w.reshape(3)) + (x@w.to(device)) + (x @ w).info()",
        "ssh -T git@github.com; git clone git@git.smith.org:me/it ssh://git@smith.org:22/it ssh://git@smith.org",
        "pi is 3.14159265358979323846264338327950288",
        "version 1.2.3.4 and section 4.2.1.1",
        "10.0.0.1 and 192.168.1.1 and 127.0.0.1 and fe80::1",
        "4111 1111 1111 1112 fails the check digit",
        "1914-1918, 1939-1945, 2001-03-10",
        "lodash@4.17.21 git@github.com:user/repo.git icon@2x.png",
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert redacted(text) == text


def test_a_region_tells_numbers_without_a_countrys_code() -> None:
    assert redacted("am 030 901820 oder 12 345 678", region="DE") == "am [PHONE] oder 12 345 678"
    assert redacted("am 030 901820 oder 12 345 678") == "am 030 901820 oder 12 345 678"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("write to john.doe@example.com", True, False),
        ("card 4111 1111 1111 1111", True, True),
        ("call +1 212 555 0123", True, True),
        ("at 93.184.216.34", True, True),
        ("key ghp_R4nd0mT0kenForTheSample0123456789abc", True, True),
        ("key AKIAIOSFODNN7EXAMPLE", True, True),
    ],
)
def test_two_halves_never_show_what_is_hidden_in_one_piece(text: str, start: bool, end: bool) -> None:
    """However a text is cut: of the secret, which is its end, neither piece shows more than a few characters."""
    secret = text[text.index(" ", 4) + 1 :] if text.startswith("write") else text[text.index(" ") + 1 :]
    secret = secret.removeprefix("to ")
    for cut in range(len(text) - len(secret) + 1, len(text)):
        left = redacted(text[:cut], cut_end=True)
        right = redacted(text[cut:] + " and more", cut_start=True)
        shown_left = left[len(text) - len(secret) :] if "[" not in left else ""
        shown_right = right.removesuffix(" and more") if "[" not in right else ""
        domain = "example.com"
        assert not (domain in shown_right or "@" in shown_left + shown_right)
        hidden = len(secret) - len(shown_left) - len(shown_right)
        assert hidden > 0, (left, right)
        if "@" not in secret:
            assert max(len(shown_left), len(shown_right)) <= 10, (left, right)


def test_the_end_of_an_address_stays_hidden_also_before_a_bracket() -> None:
    assert redacted("n.doe.example.com(home) and", cut_start=True) == "[EMAIL](home) and"
    assert redacted("gger.info(home) and", cut_start=True) == "gger.info(home) and"


def test_a_private_key_is_found_with_and_without_its_ends() -> None:
    lines = "MIIEowIBAAKCAQEAx7Vd1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT1uV2wX3yZ4A5bC\n" * 4
    begin, end = "-----BEGIN RSA PRIVATE KEY-----\n", "-----END RSA PRIVATE KEY-----"
    assert redacted(f"see {begin}{lines}{end} above") == "see [KEY] above"
    assert redacted(f"see {begin}{lines}", cut_end=True).rstrip() == "see [KEY]"
    assert redacted(f"{lines}{end} above", cut_start=True) == "[KEY] above"
    assert redacted(lines, cut_start=True, cut_end=True) == "[KEY]"


def test_a_web_token_shows_no_payload_wherever_its_start_is_cut_off() -> None:
    header, payload = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIn0"
    token = f"{header}.{payload}.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    for cut in range(len(header) + 2):
        assert payload[2:] not in redacted(f"{token[cut:]} and more", cut_start=True), cut


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("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", "ngeVfQFYQlKU0ufo8x5d1A"),
        ("ya29.a0AfH6SMBx1234567890abcdefGHIJKLmnop", "a0AfH6SMBx1234567890abcdefGHIJKLmnop"),
        ("hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXabcdef12XXXX", "XXXXXXXXXXXXabcdef12XXXX"),
        ('secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfi0Y1XAMPLEKEY"', "wJalrXUtnFEMI/K7MDENG/bPxRfi0Y1XAMPLEKEY"),
    ],
)
def test_a_key_stays_hidden_when_what_names_it_is_cut_off(text: str, secret: str) -> None:
    for cut in range(text.index(secret) + 1):
        shown = redacted(f"{text[cut:]} and more", cut_start=True)
        assert secret not in shown, (cut, shown)
        assert shown.endswith(" and more")


def test_cost_of_hostile_texts_is_bounded() -> None:
    """Each is the worst for one pattern; backtracking without bounds would take minutes, the test's time is limited."""
    for part in (
        "a@",
        "1.",
        "1 ",
        "+1 ",
        "-----BEGIN PRIVATE KEY-----",
        "eyJa1",
        "a.a@b",
        "(at)",
        "1-2-3-",
        "://a:b1",
        "%40",
        "a (at) ",
        "a (dot) com ",
        "password=",
        "Bearer ",
        "xoxb-",
        "AKIA",
        "A1b" * 21 + "a\n",
        "a1B" * 10 + "=",
    ):
        text = part * (40_000 // len(part))
        PatternRedactor("US").find([Passage(text, True, True)])


LETTERS = string.ascii_letters


@pytest.mark.parametrize(
    ("prefix", "alphabet", "length"),
    [
        ("hf_", LETTERS, 34),
        ("AKIA", string.ascii_uppercase + "234567", 16),
        ("AKIA", string.ascii_uppercase, 16),
        ("ASIA", string.ascii_uppercase, 16),
        *((f"gh{kind}_", LETTERS, 36) for kind in "pousr"),
        ("github_pat_", LETTERS, 22),
        ("glpat-", LETTERS, 20),
        ("sk_live_", LETTERS, 24),
        ("rk_test_", LETTERS, 24),
        ("npm_", LETTERS, 36),
        ("pypi-", LETTERS + string.digits, 60),
        *((f"xox{kind}-", LETTERS, 24) for kind in "abeoprs"),
        ("xoxb-279136223377-9168215057107-", LETTERS, 24),
        ("sk-proj-", LETTERS + string.digits, 48),
    ],
)
def test_keys_of_letters_only_are_found_too(prefix: str, alphabet: str, length: int) -> None:
    draw = random.Random(prefix)
    for _ in range(100):
        key = prefix + "".join(draw.choices(alphabet, k=length))
        if prefix == "sk-proj-" and not any(map(str.isdigit, key[8:48])):
            continue
        assert redacted(f"use {key} for it") == "use [KEY] for it"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DB_PASSWORD=aK3hfn29dKd02mfnw93KdlwP", "DB_PASSWORD=[KEY]"),
        ('password = "aK3hfn29dKd02mfnw93KdlwP"', 'password = "[KEY]"'),
        ("Authorization: Bearer aK3hfn29dKd02mfnw93KdlwPaK3hfn29", "Authorization: Bearer [KEY]"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZDEyMzQ1Njc4OQ==", "Authorization: Basic [KEY]"),
        ("AccountKey=aK3hfn29dKd02mfnw93KdlwPaK3hfn29dK/x+w==", "AccountKey=[KEY]"),
        ("private_key: " + "0123456789abcdef" * 4, "private_key: [KEY]"),
        ("token: " + "0123456789abcdef0123" * 2, "token: [KEY]"),
        ("password = get_password_from_environment", "password = get_password_from_environment"),
        ("the bearer of-this-long-letter-of-1916", "the bearer of-this-long-letter-of-1916"),
        ("sha1: " + "0123456789abcdef0123" * 2, "sha1: " + "0123456789abcdef0123" * 2),
    ],
)
def test_values_that_their_names_call_secret_are_found(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("see postgres://admin:correcthorsebattery@db.internal/x", "correcthorsebattery"),
        ("write to marmot.walrus (at) example-corp (dot) com", "marmot.walrus (at) example-corp (dot) com"),
        ("use 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", "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"),
        ("use ghp_qWeRtYuIoPaSdFgHjKlZxCvBnMqWeRtYuIoP", "ghp_qWeRtYuIoPaSdFgHjKlZxCvBnMqWeRtYuIoP"),
        ("password = qWeRtYuIoPaSdFgHjKl1zXcV", "qWeRtYuIoPaSdFgHjKl1zXcV"),
        ("Authorization: Bearer qWeRtYuIoPaSdFgHjKl1zXcVbN", "qWeRtYuIoPaSdFgHjKl1zXcVbN"),
    ],
)
def test_no_half_of_what_its_surroundings_tell_is_shown(text: str, secret: str) -> None:
    first = text.index(secret)
    for cut in range(1, len(text)):
        shown = redacted(text[:cut], cut_end=True)
        left = max((size for size in range(len(secret) + 1) if secret[:size] in shown), default=0)
        assert left <= 16, (cut, shown)
        rest = redacted(f"{text[cut:]} and more", cut_start=True)
        if cut <= first + 3:  # the name, or all but a few characters of the secret
            assert secret[-12:] not in rest, (cut, rest)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\\n"])
def test_the_inside_of_a_private_key_is_hidden_wherever_it_is_cut(newline: str) -> None:
    draw = random.Random(1)
    lines = ["".join(draw.choices(LETTERS + string.digits + "+/", k=64)) for _ in range(50)]
    body = newline.join(lines)
    for start in range(300, 430):
        shown = redacted(body[start : start + 1_900 + start % 7], cut_start=True, cut_end=True)
        assert shown.rstrip("\r\\") == "[KEY]", (start, shown[:80], shown[-80:])


def test_lists_of_hashes_stay() -> None:
    draw = random.Random(2)
    hashes = "\n".join("".join(draw.choices("0123456789abcdef", k=64)) for _ in range(9))
    shown = redacted(f"sums of these files\n{hashes}\nand no others", cut_start=True, cut_end=True)
    assert shown == f"sums of these files\n{hashes}\nand no others"


@pytest.mark.parametrize(
    "text",
    [
        "SomeClassNameForTheThing is what it is called",
        "some_function_of_a_module(argument)",
        "the house (at the end of the road) was",
        "at http://localhost:8080",
        "the password is not known",
        "dots (dot) are dots",
    ],
)
def test_cut_text_without_secrets_stays(text: str) -> None:
    assert redacted(f"{text} and more", cut_start=True) == f"{text} and more"
    assert redacted(f"before it, {text}", cut_end=True) == f"before it, {text}"


@pytest.mark.parametrize("region", ["DE", "FR", "US", "ES", "DK"])
@pytest.mark.parametrize(
    "text",
    [
        "e is 2.71828183, a third 0.333333333 and 0.5772156649",
        "mask 255.255.255.0 of 169.254.0.0/16",
        "arXiv:2504.07096 and ISBN 0-306-40615-2",
        "Chrome/91.0.4472.124 at 2.26 2000/09/07 22",
        "from 1.000.000 to 10.000.000 or 1 000 000 of 12345678",
    ],
)
def test_no_region_makes_numbers_of_other_kinds_phone_numbers(region: str, text: str) -> None:
    assert redacted(text, region=region) == text


@pytest.mark.parametrize(
    ("region", "number"),
    [
        ("DE", "030 901820"),
        ("DE", "(030) 90 18 20"),
        ("DE", "0171/2345678"),
        ("FR", "01 42 68 53 00"),
        ("FR", "01.42.68.53.00"),
        ("GB", "020 7946 0018"),
        ("US", "212 456 0123"),
        ("ES", "612 34 56 78"),
    ],
)
def test_numbers_as_a_region_writes_them_are_found(region: str, number: str) -> None:
    assert redacted(f"ring {number} soon", region=region) == "ring [PHONE] soon"


def test_words_that_announce_a_number_are_enough() -> None:
    for word in ("Mobil", "Telefonnummer:", "Rufnummer", "Tel."):
        assert redacted(f"{word} 01712345678 da") == f"{word} [PHONE] da"


@given(st.lists(st.text(alphabet="a1@.:+-() é€\n4x", max_size=60), min_size=1, max_size=6))
def test_a_text_is_looked_at_alone(texts: list[str]) -> None:
    """What is found in a text depends on no other one in the same call."""
    together = PatternRedactor().find([Passage(text, True, True) for text in texts])
    for text, found in zip(texts, together, strict=True):
        assert list(found) == list(PatternRedactor().find([Passage(text, True, True)])[0])
        assert all(0 <= one.start < one.end <= len(text) for one in found)


@given(st.integers(min_value=0, max_value=10**15))
def test_one_check_digit_of_ten_is_luhns(number: int) -> None:
    assert sum(luhn(f"{number}{digit}") for digit in range(10)) == 1


def test_nothing_is_looked_for_in_plain_prose() -> None:
    assert places(["The war of 1914 ended.", "", "no digits (at all) 50% of it"]) == [None, None, None]
