# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Asks a server over HTTP, tensors in binary (contract 1.6)."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from penstock.comparison.errors import ComparisonError
from penstock.comparison.models import Model, Tls
from penstock.comparison.tensors import Tensor, from_bytes, from_json, to_bytes

_LENGTH = "Inference-Header-Content-Length"

#: path, headers, body
_Request = tuple[str, dict[str, str], bytes]
#: body, and where its JSON ends
_Reply = tuple[bytes, int]


class HttpClient:
    """One connection a thread, kept open."""

    def __init__(self, address: str, *, tls: Tls | None, timeout_s: float) -> None:
        """`address`: host:port. Nothing is sent yet. Raises OSError for wrong certificates."""
        self._address = address
        self._context = ssl.create_default_context(cafile=tls.ca) if tls is not None else None
        self._timeout_s = timeout_s
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[http.client.HTTPConnection] = []

    def metadata(self, model: str, version: str) -> Mapping[str, Any]:
        """GET /v2/models/NAME."""
        return self._get(_path(model, version))

    def config(self, model: str, version: str) -> Mapping[str, Any]:
        """GET /v2/models/NAME/config."""
        return self._get(f"{_path(model, version)}/config")

    def encode(self, model: Model, inputs: Sequence[Tensor], outputs: Sequence[str]) -> object:
        """A path, headers and a body."""
        parts = [to_bytes(tensor) for tensor in inputs]
        head = {
            "inputs": [
                {
                    "name": tensor.name,
                    "shape": list(tensor.shape),
                    "datatype": tensor.datatype,
                    "parameters": {"binary_data_size": len(part)},
                }
                for tensor, part in zip(inputs, parts, strict=True)
            ],
            "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in outputs],
        }
        text = json.dumps(head).encode()
        headers = {_LENGTH: str(len(text)), "Content-Type": "application/octet-stream"}
        return f"{_path(model.name, model.version)}/infer", headers, b"".join((text, *parts))

    def send(self, request: object) -> object:
        """Waits for the whole answer."""
        path, headers, body = _as_request(request)
        status, length, reply = self._exchange("POST", path, body, headers)
        if status != 200:
            raise ComparisonError(f"http://{self._address}{path}: {_error(status, reply)}")
        return reply, len(reply) if length is None else int(length)

    def decode(self, reply: object) -> list[Tensor]:
        """Tensors in binary behind the JSON, or in it."""
        body, end = _as_reply(reply)
        tensors = []
        for output in json.loads(body[:end])["outputs"]:
            name, datatype, shape = output["name"], output["datatype"], output["shape"]
            size = output.get("parameters", {}).get("binary_data_size")
            if size is None:
                tensors.append(from_json(name, datatype, shape, output["data"]))
            else:
                tensors.append(from_bytes(name, datatype, shape, body[end : end + size]))
                end += size
        return tensors

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            for connection in self._open:
                connection.close()

    def _get(self, path: str) -> Mapping[str, Any]:
        status, _, body = self._exchange("GET", path, None, {})
        if status != 200:
            raise ComparisonError(f"http://{self._address}{path}: {_error(status, body)}")
        try:
            content: Mapping[str, Any] = json.loads(body)
        except ValueError:
            raise ComparisonError(
                f"http://{self._address}{path} does not answer in JSON: is it the HTTP port?"
            ) from None
        return content

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, str | None, bytes]:
        connection = self._connection()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheader(_LENGTH), response.read()
        except TimeoutError:
            raise ComparisonError(
                f"http://{self._address}{path}: no answer in {self._timeout_s:g} s, see --timeout"
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise ComparisonError(
                f"the certificate of {self._address} is not trusted ({error.verify_message}): "
                f"name the authority's by --ca"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()  # the next request opens it anew
            raise ComparisonError(
                f"no HTTP server answers at {self._address} ({error or type(error).__name__}): "
                f"start one, or name its HTTP port by --url"
            ) from None

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            timeout_s = self._timeout_s
            if self._context is None:
                connection = http.client.HTTPConnection(self._address, timeout=timeout_s)
            else:
                connection = http.client.HTTPSConnection(
                    self._address, timeout=timeout_s, context=self._context
                )
            self._local.connection = connection
            with self._lock:
                self._open.append(connection)
        return connection


def _path(model: str, version: str) -> str:
    return f"/v2/models/{quote(model, safe='')}{f'/versions/{version}' if version else ''}"


def _error(status: int, body: bytes) -> str:
    try:
        text = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        text = body[:200].decode(errors="replace") or "no body"
    return f"{' '.join(str(text).split())} (HTTP {status})"


def _as_request(request: object) -> _Request:
    assert isinstance(request, tuple)
    return request


def _as_reply(reply: object) -> _Reply:
    assert isinstance(reply, tuple)
    return reply
