# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The options of the data plane: who serves requests, and the bounds on what clients can ask for.

All of them are Penstock's own. The bounds hold for the native data plane.
"""

from __future__ import annotations

from penstock.config import option_values as values
from penstock.config.options import Group, Option

_INT = "<integer>"
_SECONDS = "<seconds>"


def _bound(name: str, help: str, *, low: int, high: int = 2**48) -> Option:
    parse = values.parse_int(low=low, high=high)
    return Option(name, help, parse, name.replace("-", "_"), form=_INT)


def _time(name: str, help: str) -> Option:
    return Option(name, help, values.parse_float, name.replace("-", "_"), form=_SECONDS)


DOOR_GROUPS: tuple[Group, ...] = (
    Group(
        "Data plane",
        (
            Option(
                "data-plane",
                "Who serves requests: native (C++ event loops; the hot calls never touch Python) "
                "or python.",
                values.parse_choice("data-plane", "native", "python"),
                "data_plane",
                form="<native|python>",
            ),
            Option(
                "short-work-first",
                "Let threads that answer requests in microseconds go before all others on their "
                "cores while they leave room; needs CAP_SYS_NICE or an rtprio limit, without it "
                "nothing is changed.",
                values.parse_bool,
                "short_work_first",
                form="<boolean>",
            ),
            _bound(
                "http-max-connections",
                "Open HTTP connections; more are answered 503.",
                low=1,
                high=1_000_000,
            ),
            _bound(
                "http-max-in-flight-bytes",
                "Bytes of request bodies being received or worked on; more are answered 503.",
                low=1,
            ),
            _time("http-header-timeout-secs", "A request's head must be complete within this."),
            _time("http-body-timeout-secs", "Longest pause within a request's body."),
            _time("http-idle-timeout-secs", "Longest pause between two requests of a connection."),
            _time("http-send-timeout-secs", "Longest time for which a client takes nothing."),
            _bound(
                "http-min-body-rate",
                "Least bytes a second of a body, on average; 0: any.",
                low=0,
            ),
            _bound(
                "grpc-max-connections",
                "Open gRPC connections; more are closed at once.",
                low=1,
                high=1_000_000,
            ),
            _bound(
                "grpc-max-in-flight-bytes",
                "Bytes of messages being received or worked on; more are answered UNAVAILABLE.",
                low=1,
            ),
        ),
    ),
)
