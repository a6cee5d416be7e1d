# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Listening sockets and the text of a taken port (H-29)."""

from __future__ import annotations

import socket

import pytest
from penstock.errors import UnavailableError
from penstock.frontends.listener import listen_tcp


def test_listens_at_once() -> None:
    with listen_tcp("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_a_taken_port() -> None:
    with listen_tcp("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UnavailableError) as caught:
            listen_tcp("127.0.0.1", port)
        assert caught.value.message == f"Socket '127.0.0.1:{port}' already in use "


def test_a_port_can_be_shared_when_both_ask_for_it() -> None:
    with listen_tcp("127.0.0.1", 0, reuse_port=True) as listener:
        port = listener.getsockname()[1]
        listen_tcp("127.0.0.1", port, reuse_port=True).close()


@pytest.mark.parametrize("address", ["192.0.2.1", "no such host", "::1::1"])
def test_an_address_that_is_not_ours(address: str) -> None:
    with pytest.raises(UnavailableError, match="Unable to"):
        listen_tcp(address, 0)
