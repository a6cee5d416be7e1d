# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""An S3 server that misbehaves on demand: what of the protocol a repository needs, and no more."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from xml.sax.saxutils import escape

_METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


class StoreDouble:
    """A context manager. `objects` and `fault` are set by the test at any time."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fault = ""
        self.quote = "&quot;"  # around the entity tags of a listing; Azure has none
        self.requests: list[str] = []
        self.served = 0  # objects read since the fault was set
        handler = type("Handler", (_Handler,), {"double": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def location(self) -> str:
        return f"s3://127.0.0.1:{self._server.server_address[1]}/bucket/models"

    def inject(self, fault: str) -> None:
        self.served = 0
        self.fault = fault

    def __enter__(self) -> StoreDouble:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.fault = "closing"
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


#: name -> what it is; all of reliability D7
FAULTS = {
    "forbidden": "403 for everything",
    "gone": "404 for what was just listed",
    "internal": "500",
    "busy": "503 with Retry-After",
    "reset": "a reset in the middle of an object",
    "stall": "an object that stops in the middle",
    "slow": "1 KB/s",
    "short": "fewer bytes than announced",
    "wrong_etag": "an object of another entity tag",
    "torn_listing": "a listing that ends in the middle of its XML",
    "redirect_metadata": "a redirect to the metadata address",
    "redirect_file": "a redirect to a file:// URL",
    "expired": "a token that expires after the first object",
    "skew": "a clock that is said to be wrong",
    "empty": "a listing without objects",
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: StoreDouble

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        url = urllib.parse.urlparse(self.path)
        self.double.requests.append(self.path)
        query = urllib.parse.parse_qs(url.query)
        with contextlib.suppress(OSError):  # the client has had enough
            if self._refused():
                return
            if "list-type" in query:
                self._list(query.get("prefix", [""])[0])
            else:
                self._read(urllib.parse.unquote(url.path).removeprefix("/bucket/"))

    def _refused(self) -> bool:
        fault = self.double.fault
        if fault == "forbidden":
            self._error(403, "AccessDenied")
        elif fault == "internal":
            self._error(500, "InternalError")
        elif fault == "busy":
            self._error(503, "SlowDown", **{"Retry-After": "1"})
        elif fault == "skew":
            self._error(403, "RequestTimeTooSkewed")
        elif fault == "redirect_metadata":
            self._error(307, "TemporaryRedirect", Location=_METADATA)
        elif fault == "redirect_file":
            self._error(307, "TemporaryRedirect", Location="file:///etc/passwd")
        else:
            return False
        return True

    def _list(self, prefix: str) -> None:
        fault = self.double.fault
        found = {k: v for k, v in self.double.objects.items() if k.startswith(prefix)}
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size>"
            f"<ETag>{self.double.quote}{_etag(data)}{self.double.quote}</ETag>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key, data in sorted(found.items())
            if fault != "empty"
        )
        text = (
            '<?xml version="1.0"?><ListBucketResult><Name>bucket</Name>'
            f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        ).encode()
        self._send(200, text[: len(text) // 2] if fault == "torn_listing" else text)

    def _read(self, key: str) -> None:
        fault, data = self.double.fault, self.double.objects.get(key)
        if data is None or fault == "gone":
            return self._error(404, "NoSuchKey")
        self.double.served += 1
        if fault == "expired" and self.double.served > 1:
            return self._error(400, "ExpiredToken")
        etag = "0" * 32 if fault == "wrong_etag" else _etag(data)
        if self.headers.get("If-Match", f'"{_etag(data)}"') != f'"{_etag(data)}"':
            return self._error(412, "PreconditionFailed")
        first, last = 0, len(data) - 1
        if given := self.headers.get("Range"):
            start, _, end = given.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end), last)
        self.send_response(206 if given else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        part = data[first : last + 1]
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self._body(part, fault)

    def _body(self, part: bytes, fault: str) -> None:
        if fault in {"reset", "stall", "short"} and len(part) > 1:
            self.wfile.write(part[: len(part) // 2])
            self.wfile.flush()
            if fault == "stall":
                self._pause_until_changed(fault)
            elif fault == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
        elif fault == "slow":
            for at in range(0, len(part), 128):
                self.wfile.write(part[at : at + 128])
                self.wfile.flush()
                time.sleep(0.125)
                if self.double.fault != fault:
                    break
        else:
            self.wfile.write(part)

    def _pause_until_changed(self, fault: str) -> None:
        while self.double.fault == fault:
            time.sleep(0.02)

    def _error(self, status: int, code: str, **headers: str) -> None:
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'
        self._send(status, text.encode(), **headers)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()
