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
        " https://example.org/~a/b?x=A#c\n",
        "http://example.org/~a/b?x=A#c",
        "HTTPS://EXAMPLE.ORG:443/~a/b?x=A#c",
        "https://me:secret@example.org./%7Ea/b?x=%41#c",
        "//example.org/~a/b?x=A#c",
        "example.org:80/~a/b?x=A#c",
    ],
)
def test_one_page_is_one_url_however_it_is_written(url: str) -> None:
    assert normal_url(url) == "//example.org/~a/b?x=A#c"


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
        ("ftp://example.org/a", "https://example.org/a"),
        ("ftp://example.org:80/a", "ftp://example.org/a"),
        ("urn:isbn:1", "urn:isbn:2"),
        ("/a", "/b"),
        ("wiki/a", "wiki/b"),
    ],
)
def test_other_pages_are_others(one: str, other: str) -> None:
    assert normal_url(one) != normal_url(other)


@given(st.text(alphabet="ahtps:/\\.@6?#[] \tÄ。ß1", max_size=30))
def test_any_text_can_be_compared_and_nothing_changes_the_second_time(text: str) -> None:
    normal = normal_url(text)
    assert normal_url(normal) == normal
    assert host_of(text) == host_of(text.upper().lower()) or not text.isascii()
