"""Urls that browsers take for the same page are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_format.document_urls import host_of, normal_url


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.ORG:8080/a", "example.org"),
        ("http://user:pass@example.org./a@b", "example.org"),
        ("//example.org/a", "example.org"),
        ("example.org/a", "example.org"),
        ("https://example.org?x=https://other.org", "example.org"),
        ("https://example.org\\@other.org", "example.org"),
        ("https://münchen.de/", "xn--mnchen-3ya.de"),
        ("https://[2001:db8::1]:443/", "2001:db8::1"),
        (" https://example.org/a", "example.org"),
        ("\ufeff\thttps://exam\nple.org/a\u00a0", "example.org"),
        ("HTTPS:/\\example.org/a", "example.org"),
        ("http:example.org/a", "example.org"),
        ("https://a@b:c@example.org:443", "example.org"),
        ("https://ex%61mple.org", "example.org"),
        ("https://bücher。example。/", "xn--bcher-kva.example"),
        ("https://straße.de/", "xn--strae-oqa.de"),
        ("https://STRAẞE.de/", "xn--strae-oqa.de"),
        ("https://stra%C3%9Fe.de/", "xn--strae-oqa.de"),
        ("https://xn--strae-oqa.de/", "xn--strae-oqa.de"),
        ("https://strasse.de/", "strasse.de"),
        ("https://ΒΌΛΟΣ.com", "xn--nxasmq6b.com"),
        ("https://βόλος.com", "xn--nxasmm1c.com"),
        ("https://☕️.example/", "xn--53h.example"),
        ("https://\uff45xample\uff0eorg/", "example.org"),
        ("https://a\uff0fb.org/", ""),
        ("https://a%2Fb.org/", ""),
        ("https://50%/", ""),
        ("https://" + "a." * 126 + "b/", "a." * 126 + "b"),
        ("https://" + "a." * 126 + "bc/", ""),
        ("https://" + "ä" * 300, ""),
        ("ftp://Example.org/a", "example.org"),
        ("/local/path", ""),
        ("", ""),
    ],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    "url",
    [
        " https://example.org/~a/b?x=A\n",
        "http://example.org/~a/b?x=A#c",
        "HTTPS://EXAMPLE.ORG:443/~a/b?x=A#c?d",
        "https://me:secret@example.org./%7Ea/b?x=%41#c",
        "//example.org/~a/b?x=A#",
        "example.org:80/~a/b?x=A",
        "https://example.org:0443/~a/b?x=A",
        "https://example.org:/~a/b?x=A",
        "https://example.org\\~a\\b?x=A",
        "https://example.org/./~a/c/../b?x=A",
        "https://example.org/../%2E/~a/%2e%2E/~a/b?x=A",
    ],
)
def test_one_page_is_one_url_however_it_is_written(url: str) -> None:
    assert normal_url(url) == "//example.org/~a/b?x=A"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://de.wikipedia.org/wiki/Köln", "https://de.wikipedia.org/wiki/K%C3%B6ln"),
        ("https://de.wikipedia.org/wiki/Köln", "https://de.wikipedia.org/wiki/K%c3%b6ln"),
        ("https://x.org/?q=Köln", "https://x.org/?q=K%C3%B6ln"),
        ("https://x.org/a b?c d", "https://x.org/a%20b?c%20d"),
        ('https://x.org/"<a>"|{b}[c]', "https://x.org/%22%3Ca%3E%22%7C%7Bb%7D%5Bc%5D"),
        ("https://x.org/wiki/Bow_(weapon)", "https://x.org/wiki/Bow_%28weapon%29"),
        ("https://x.org/100%", "https://x.org/100%25"),
        ("https://x.org?a\\b", "https://x.org/?a%5Cb"),
        ("https://x.org/a#top", "https://x.org/a"),
        ("https://x.org#top", "https://x.org"),
        ("https://x.org/a/..", "https://x.org/"),
        ("https://x.org/a/.", "https://x.org/a/"),
        ("https://x.org/a/b/../../../c", "https://x.org/c"),
        ("https://x.org\\a", "https://x.org/a"),
        ("https://x.org:0443", "https://x.org"),
        ("https://x.org:08080", "https://x.org:8080"),
        ("ftp://x.org:/a", "ftp://x.org/a"),
        ("https://straße.de/a", "https://xn--strae-oqa.de/a"),
    ],
)
def test_two_ways_to_write_a_page_are_one(one: str, other: str) -> None:
    assert normal_url(one) == normal_url(other)


def test_a_host_without_a_path_is_its_first_page() -> None:
    assert normal_url("https://example.org") == normal_url("http://example.org/")
    assert normal_url("https://example.org?a") == normal_url("https://example.org/?a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.org/a", "https://example.org/A"),
        ("https://example.org/a", "https://example.org/a/"),
        ("https://example.org/a", "https://example.org:8080/a"),
        ("https://example.org/a?x", "https://example.org/a"),
        ("https://example.org/a%2Fb", "https://example.org/a/b"),
        ("https://example.org/a%3Fb", "https://example.org/a?b"),
        ("https://example.org/a%23b", "https://example.org/a#b"),
        ("https://example.org/a?b+c", "https://example.org/a?b%2Bc"),
        ("https://example.org/a?/../b", "https://example.org/b"),
        ("https://example.org/a//b", "https://example.org/a/b"),
        ("https://example.org/a..b/.c", "https://example.org/b/c"),
        ("https://example.org:" + "9" * 5000, "https://example.org:" + "9" * 5001),
        ("https://straße.de/", "https://strasse.de/"),
        ("ftp://example.org/a", "https://example.org/a"),
        ("ftp://example.org:80/a", "ftp://example.org/a"),
        ("urn:isbn:1", "urn:isbn:2"),
        ("/a", "/b"),
        ("wiki/a", "wiki/b"),
    ],
)
def test_other_pages_are_others(one: str, other: str) -> None:
    assert normal_url(one) != normal_url(other)


@given(st.text(alphabet='ahtps:/\\.@6?#[] \t%2Ee0"\ud800Ä。ß1\uff0fẞΣİ\u0301\u200d', max_size=30))
def test_any_text_can_be_compared_and_nothing_changes_the_second_time(text: str) -> None:
    normal = normal_url(text)
    assert normal_url(normal) == normal
    assert host_of(text) == host_of(text.upper().lower()) or not text.isascii()
