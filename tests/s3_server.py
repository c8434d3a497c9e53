"""A server that speaks as much of S3's protocol as Arrow's client does, and breaks when it is told to.

It keeps objects in memory, takes any credentials, and checks no signature. Real stores and moto differ in much that is
not here; docs/storage.md says what was tried against moto by hand.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_MODIFIED = "Sun, 22 Nov 2026 09:00:00 GMT"


class S3Server(ThreadingHTTPServer):
    """Buckets of objects.

    Attributes:
        buckets: Content of each object by bucket and key.
        requests: Method and path of each request, in order.
        fault: Asked before each request is answered, with method and path; None answers it. ``"refuse"`` answers 503,
            ``"deny"`` 403, ``"cut"`` sends half of the body and closes the connection.
    """

    daemon_threads = True

    def __init__(self, *buckets: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.buckets: dict[str, dict[str, bytes]] = {name: {} for name in buckets}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.fault: Callable[[str], str | None] = lambda request: None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def store(self, objects: dict[str, bytes], key: str, content: bytes) -> None:
        """Keeps an object; a test may put something worse here."""
        objects[key] = content

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def s3_server(*buckets: str) -> Iterator[S3Server]:
    with S3Server(*buckets) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 << 10  # headers and body in one packet, else each answer waits for an acknowledgement
    disable_nagle_algorithm = True
    server: S3Server

    def handle_expect_100(self) -> bool:
        """Lets the client send its body at once, instead of after a second."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _answer_request(self) -> None:
        split = urlsplit(self.path)
        bucket, _, key = unquote(split.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(split.query, keep_blank_values=True).items()}
        body = self._body()
        request = f"{self.command} {self.path}"
        self.server.requests.append(request)
        fault = self.server.fault(request)
        if fault == "refuse":
            self._error(503, "SlowDown")
        elif fault == "deny":
            self._error(403, "AccessDenied")
        elif bucket not in self.server.buckets:
            self._error(404, "NoSuchBucket")
        elif self.command in ("GET", "HEAD") and key:
            self._get(self.server.buckets[bucket], key, cut=fault == "cut")
        elif self.command == "GET":
            self._list(self.server.buckets[bucket], query)
        elif self.command == "DELETE":
            self.server.buckets[bucket].pop(key, None)
            self._send(204, b"")
        else:
            self._write(bucket, key, query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer_request

    def _get(self, objects: dict[str, bytes], key: str, *, cut: bool) -> None:
        if key not in objects:
            return self._error(404, "NoSuchKey")
        content = objects[key]
        status = 200
        headers = {"ETag": _tag(content), "Last-Modified": _MODIFIED}
        if wanted := self.headers.get("Range"):
            first, last = wanted.removeprefix("bytes=").split("-")
            end = min(int(last) + 1, len(content)) if last else len(content)
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
            content, status = content[int(first) : end], 206
        self._send(status, content, headers, cut=cut)

    def _list(self, objects: dict[str, bytes], query: dict[str, str]) -> None:
        keys = sorted(key for key in objects if key.startswith(query.get("prefix", "")))
        keys = [key for key in keys if key > query.get("continuation-token", "")]
        page = keys[: int(query.get("max-keys", 1000))]
        more = len(page) < len(keys)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key])}</Size>"
            "<LastModified>2026-11-22T09:00:00.000Z</LastModified></Contents>"
            for key in page
        )
        self._xml(
            f"<ListBucketResult {_NAMESPACE}><KeyCount>{len(page)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
        )

    def _write(self, bucket: str, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploads" in query:
            upload = f"upload{len(self.server.uploads)}"
            self.server.uploads[upload] = {}
            self._xml(
                f"<InitiateMultipartUploadResult {_NAMESPACE}><Bucket>{bucket}</Bucket><Key>{escape(key)}</Key>"
                f"<UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        elif "partNumber" in query:
            self.server.uploads[query["uploadId"]][int(query["partNumber"])] = body
            self._send(200, b"", {"ETag": _tag(body)})
        elif "uploadId" in query:
            parts = self.server.uploads.pop(query["uploadId"])
            content = b"".join(parts[number] for number in sorted(parts))
            self.server.store(self.server.buckets[bucket], key, content)
            self._xml(
                f"<CompleteMultipartUploadResult {_NAMESPACE}><Bucket>{bucket}</Bucket><Key>{escape(key)}</Key>"
                '<ETag>"whole"</ETag></CompleteMultipartUploadResult>'
            )
        else:
            self.server.store(self.server.buckets[bucket], key, body)
            self._send(200, b"", {"ETag": _tag(body)})

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        parts, start = [], 0
        while (size := int(body[start : (line := body.index(b"\r\n", start))], 16)) > 0:
            parts.append(body[line + 2 : line + 2 + size])
            start = line + 2 + size + 2
        return b"".join(parts)

    def _chunk(self) -> bytes:
        chunk = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return chunk

    def _error(self, status: int, code: str) -> None:
        self._xml(f"<Error><Code>{code}</Code><Message>{code} it is</Message></Error>", status)

    def _xml(self, text: str, status: int = 200) -> None:
        content = f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
        self._send(status, content, {"Content-Type": "application/xml"})

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: ``requests`` has it."""


def _tag(content: bytes) -> str:
    """Returns an entity tag. Python keeps the hash of a value, so the second one of a large object costs nothing."""
    return f'"{hash(content):x}"'
