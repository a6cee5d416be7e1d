# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Listening sockets: bound and listening before anything is served on them."""

from __future__ import annotations

import errno
import os
import socket
import stat

from penstock.errors import UnavailableError

#: What an address begins with that is the path of a Unix socket.
UNIX = "unix:"

#: Connections that may wait to be accepted; the kernel cuts it to net.core.somaxconn.
BACKLOG = 1024


def listen(address: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket at `unix:<path>`, or at a TCP address. Raises UnavailableError."""
    if address.startswith(UNIX):
        return listen_unix(address.removeprefix(UNIX))
    return listen_tcp(address, port, reuse_port=reuse_port)


def listen_unix(path: str) -> socket.socket:
    """A listening Unix socket; one that a server left behind is replaced.

    Raises UnavailableError: H-29 when somebody listens there, or the system's own words.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_left_behind(path):
            os.unlink(path)
        listener.bind(path)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UnavailableError(f"Socket '{UNIX}{path}' already in use ") from None
        reason = error.strerror or str(error)
        raise UnavailableError(f"Unable to listen on '{UNIX}{path}': {reason}") from None
    listener.setblocking(False)
    return listener


def address_text(address: str, listener: socket.socket | None, port: int) -> str:
    """Where a frontend listens, as people write it."""
    if address.startswith(UNIX):
        return address
    return f"{address}:{port if listener is None else listener.getsockname()[1]}"


def _is_left_behind(path: str) -> bool:
    """Is this a Unix socket that nobody listens on?"""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return False
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
    return False


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
        listener.listen(BACKLOG)
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
