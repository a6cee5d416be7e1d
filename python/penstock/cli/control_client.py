# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The control API of a server as a command needs it, over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

_TIMEOUT_S = 10.0
#: A load takes as long as it takes; a server that is gone is noticed by its connection.
_LOAD_TIMEOUT_S = 24 * 3600.0


class ControlError(Exception):
    """The server's own words, or why it cannot be reached."""


class ControlClient:
    """Keeps nothing; thread safe."""

    def __init__(self, url: str) -> None:
        """`url`: http://host:port, or host:port."""
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")

    def index(self) -> list[dict[str, Any]]:
        """REP-1, with details. Raises ControlError."""
        found: list[dict[str, Any]] = self._call("/v2/repository/index", {"details": True})
        return found

    def statistics(self) -> list[dict[str, Any]]:
        """1.11 of all models. Raises ControlError."""
        found: list[dict[str, Any]] = self._call("/v2/models/stats")["model_stats"]
        return found

    def load(self, model: str, parameters: Mapping[str, str]) -> None:
        """REP-2. Raises ControlError with the server's reason."""
        body = {"parameters": dict(parameters)} if parameters else {}
        path = f"/v2/repository/models/{urllib.parse.quote(model, safe='')}/load"
        self._call(path, body, _LOAD_TIMEOUT_S)

    def unload(self, model: str, *, dependents: bool) -> None:
        """REP-3. Raises ControlError."""
        path = f"/v2/repository/models/{urllib.parse.quote(model, safe='')}/unload"
        self._call(path, {"parameters": {"unload_dependents": dependents}})

    def _call(
        self, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = _TIMEOUT_S
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        if not self.url.startswith(("http://", "https://")):
            raise ControlError(f"'{self.url}' is not the URL of a server")
        request = urllib.request.Request(self.url + path, data)  # noqa: S310 - looked at above
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as reply:  # noqa: S310
                return json.loads(reply.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise ControlError(_reason(error)) from None
        except (OSError, ValueError) as error:
            cause = getattr(error, "reason", error)
            raise ControlError(f"no answer of {self.url}: {cause}") from None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]).strip()
    except (ValueError, KeyError, TypeError, OSError):
        return f"{error.code} {error.reason}"
