# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Listening sockets: bound and listening before anything is served on them."""

from __future__ import annotations

import errno
import socket

from penstock.errors import UnavailableError

#: Connections that may wait to be accepted; the kernel cuts it to net.core.somaxconn.
_BACKLOG = 1024


def listen_tcp(address: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening TCP socket on one address; port 0 picks a free one.

    Raises UnavailableError: `Socket '<addr>:<port>' already in use ` (H-29, with its last space),
    or the system's own words.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UnavailableError(f"Unable to resolve '{address}': {error.strerror}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UnavailableError(socket_in_use(address, port)) from None
        raise UnavailableError(
            f"Unable to listen on '{address}:{port}': {error.strerror}"
        ) from None
    listener.setblocking(False)
    return listener


def socket_in_use(address: str, port: int) -> str:
    """The text of H-29."""
    return f"Socket '{address}:{port}' already in use "
