"""The corpus of the demo: real text that every Python installation has, so that nothing is downloaded.

Three sources: the language reference that ``help()`` shows, the docstrings of the standard library, and its
source files. Nothing is imported to read it but the reference itself.
"""

import ast
import hashlib
import json
import re
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

DOCUMENTATION = "Python documentation"
DOCSTRINGS = "Python docstrings"
SOURCES = "Python sources"

# Test suites and demos, programs of their own, generated tables, other people's packages, and the reference
# as data.
_SKIPPED_FOLDERS = frozenset(
    {
        *("__pycache__", "dist-packages", "encodings", "ensurepip", "idlelib", "idle_test", "lib2to3"),
        *("pydoc_data", "site-packages", "test", "tests", "turtledemo"),
    }
)
_DOCS = "https://docs.python.org/3"

# Where the pages of the reference stand; the topic is the anchor on its page.
_TOPIC_PAGES = {
    "library/pdb.html": ("debugger",),
    "library/stdtypes.html": (
        *("bltin-code-objects", "bltin-ellipsis-object", "bltin-null-object", "bltin-type-objects"),
        *("specialattrs", "string-methods", "truth", "typesfunctions", "typesmapping", "typesmethods"),
        *("typesmodules", "typesseq", "typesseq-mutable"),
    ),
    "library/string.html": ("formatstrings",),
    "reference/compound_stmts.html": ("async", "class", "else", "for", "function", "if", "try", "while", "with"),
    "reference/datamodel.html": (
        *("attribute-access", "callable-types", "context-managers", "customization", "numeric-types"),
        *("objects", "sequence-types", "specialnames", "types"),
    ),
    "reference/executionmodel.html": ("dynamic-features", "exceptions", "execmodel", "naming"),
    "reference/expressions.html": (
        *("atom-identifiers", "atom-literals", "attribute-references", "await", "binary", "bitwise"),
        *("booleans", "calls", "comparisons", "conversions", "dict", "exprlists", "in", "lambda", "lists"),
        *("operator-summary", "power", "shifting", "slicings", "subscriptions", "unary"),
    ),
    "reference/lexical_analysis.html": (
        *("floating", "id-classes", "identifiers", "imaginary", "integers", "numbers", "strings"),
    ),
    "reference/simple_stmts.html": (
        *("assert", "assignment", "augassign", "break", "continue", "del", "global", "import"),
        *("nonlocal", "pass", "raise", "return", "yield"),
    ),
}
# Modules without a page of their own in the library reference.
_WITHOUT_PAGE = frozenset(
    {
        *("antigravity", "genericpath", "ntpath", "nturl2path", "opcode", "posixpath", "pydoc_data"),
        *("sre_compile", "sre_constants", "sre_parse", "this", "xml"),
    }
)


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """One document, as a line of the corpus file."""

    text: str
    source: str
    title: str
    url: str
    path: str


def documents(progress: Callable[[int], None] = lambda number: None) -> Iterator[CorpusDocument]:
    """Yields the documents of the corpus, in an order that depends on the installation only.

    Calls ``progress`` with the number of documents so far.
    """
    number = 0
    for source in (_topics(), _modules(Path(sysconfig.get_path("stdlib")))):
        for document in source:
            number += 1
            progress(number)
            yield document


def write_corpus(path: Path, progress: Callable[[int], None]) -> tuple[str, int, int]:
    """Writes the corpus as JSON lines; returns its content hash, its number of documents and of bytes of text."""
    digest, number, size = hashlib.sha256(), 0, 0
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as file:
        for document in documents(progress):
            line = json.dumps(asdict(document), ensure_ascii=False).encode() + b"\n"
            digest.update(line)
            file.write(line)
            number += 1
            size += len(document.text.encode())
    beside.replace(path)
    return digest.hexdigest(), number, size


def _topics() -> Iterator[CorpusDocument]:
    from pydoc_data.topics import topics  # half a megabyte, needed nowhere else

    pages = {topic: page for page, names in _TOPIC_PAGES.items() for topic in names}
    for topic, text in sorted(topics.items()):
        url = f"{_DOCS}/{pages[topic]}#{topic}" if topic in pages else ""
        yield CorpusDocument(unwrap(text), DOCUMENTATION, topic, url, f"pydoc_data/topics.py#{topic}")


def _modules(library: Path) -> Iterator[CorpusDocument]:
    """Yields the docstrings and the source of every module, in the order of their paths."""
    for path in sorted(library.rglob("*.py")):
        relative = path.relative_to(library)
        if _SKIPPED_FOLDERS.intersection(relative.parts):
            continue
        module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        try:
            text = path.read_bytes().decode()
            tree = ast.parse(text)
        except (OSError, ValueError, SyntaxError):
            continue  # not UTF-8, or not meant to be parsed: the library has templates of source files
        url = _module_url(module)
        if docstrings := "\n\n\n".join(_docstrings(tree, module)):
            yield CorpusDocument(docstrings, DOCSTRINGS, module, url, relative.as_posix())
        if text.strip():
            yield CorpusDocument(text, SOURCES, relative.as_posix(), url, relative.as_posix())


def _docstrings(node: ast.AST, name: str) -> Iterator[str]:
    """Yields the docstring of a module and of everything public in it, each under its name."""
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        if docstring := ast.get_docstring(node):
            yield f"{name}\n\n{docstring}"
        for child in node.body:
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from _docstrings(child, f"{name}.{child.name}")


def _module_url(module: str) -> str:
    if "." in module or module.startswith("_") or module in _WITHOUT_PAGE:
        return ""
    return f"{_DOCS}/library/{module.lower()}.html"


# The width at which Sphinx breaks the lines of the topics, and what it does not break: a word up to its
# hyphen.
_WIDTH = 70
_FIRST_CHUNK = re.compile(r"[^\s-]*[A-Za-z]-(?=[A-Za-z]{2})|\S+")
_LIST_MARK = re.compile(r"\s*(?:[*-]|\d+\.|\[\d+\])\s+")
_UNDERLINE = re.compile(r"([*=\-~^\"])\1{2,}")
_OPEN_HYPHEN = re.compile(r"[A-Za-z]-$")


def unwrap(text: str) -> str:
    """Returns ``text`` without lines under headings and with the paragraphs broken at 70 columns on one line each.

    Two lines are joined only if the second is indented as the first's text is and its first word would not
    have fitted on the first: code, grammar and tables keep their lines.
    """
    lines: list[str] = []
    previous = ""
    indent = -1
    for line in text.split("\n"):
        stripped = line.strip()
        line_indent = len(line) - len(line.lstrip())
        chunk = _FIRST_CHUNK.match(stripped)
        if _UNDERLINE.fullmatch(stripped):
            continue
        if previous and chunk and line_indent == indent and len(previous) + 1 + len(chunk[0]) > _WIDTH:
            glue = "" if _OPEN_HYPHEN.search(previous) and stripped[0].isalpha() else " "
            lines[-1] += glue + stripped
        else:
            lines.append(line)
            mark = _LIST_MARK.match(line)
            indent = mark.end() if mark else line_indent
        previous = line.rstrip()
    return "\n".join(lines)
