# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""An authority, and certificates that it vouches for, made with the openssl command."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """`directory` takes the files; `root` is what verifies the certificates."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._directory = directory
        self.root = directory / f"{name}.pem"
        self._key = directory / f"{name}.key"
        subject = ("-subj", f"/CN={name}", "-days", "30")
        _openssl("req", "-x509", *_NEW_KEY, self._key, "-out", self.root, *subject)

    def issue(self, name: str) -> tuple[Path, Path]:
        """(certificate, key) of localhost and 127.0.0.1."""
        certificate, key = (self._directory / f"{name}.{kind}" for kind in ("pem", "key"))
        request, extension = (self._directory / f"{name}.{kind}" for kind in ("csr", "ext"))
        extension.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl("req", *_NEW_KEY, key, "-out", request, "-subj", f"/CN={name}")
        signing = ("-CA", self.root, "-CAkey", self._key, "-CAcreateserial", "-days", "30")
        _openssl(
            "x509", "-req", "-in", request, *signing, "-extfile", extension, "-out", certificate
        )
        return certificate, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
