# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""TLS of one protocol: its PEM files, and what is wrong with them (O-36..O-38, G-30).

Files are looked at before anything else is loaded, so that a wrong path costs no time.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


class TlsError(Exception):
    """A file that cannot be used; the message is one line and names the flag and the file."""


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files. `mutual`: a client must show a certificate that `root` vouches for."""

    #: what the flags begin with: "http" or "grpc"
    protocol: str
    certificate: str
    key: str
    root: str = ""
    mutual: bool = False

    def context(self) -> ssl.SSLContext:
        """A server's context, TLS 1.2 and newer. Raises TlsError."""
        for flag, path in self._flags():
            if path or flag != "root-cert" or self.mutual:
                self._read(flag, path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # A password would be asked for on the terminal; an empty one is just wrong.
            context.load_cert_chain(self.certificate, self.key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise self._unusable(error) from None
        if self.root:
            try:
                context.load_verify_locations(self.root)
            except ssl.SSLError as error:
                raise self._bad("root-cert", self.root, _reason(error)) from None
        if self.mutual:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def pem(self) -> tuple[bytes, bytes, bytes | None]:
        """The contents of certificate, key and root (None: there is none). Raises TlsError."""
        certificate, key, root = (self._read(flag, path) for flag, path in self._flags())
        return certificate, key, root or None

    def _flags(self) -> tuple[tuple[str, str], ...]:
        return (
            ("server-cert", self.certificate),
            ("server-key", self.key),
            ("root-cert", self.root),
        )

    def _read(self, flag: str, path: str) -> bytes:
        if not path and flag == "root-cert" and not self.mutual:
            return b""
        if not path:
            switch = "use-ssl-mutual" if flag == "root-cert" else "use-ssl"
            raise TlsError(f"--{self.protocol}-{switch} needs --{self.protocol}-{flag}")
        try:
            return Path(path).read_bytes()
        except (OSError, ValueError) as error:
            raise self._bad(flag, path, getattr(error, "strerror", None) or str(error)) from None

    def _unusable(self, error: Exception) -> TlsError:
        """Whose fault it is that certificate and key do not go together."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.certificate)
        except ssl.SSLError as own:
            return self._bad("server-cert", self.certificate, _reason(own))
        return self._bad("server-key", self.key, _reason(error))

    def _bad(self, flag: str, path: str, reason: str) -> TlsError:
        return TlsError(f"--{self.protocol}-{flag}: unable to use '{path}': {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return "not a PEM file of this kind"
