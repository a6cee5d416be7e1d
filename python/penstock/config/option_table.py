# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Every option, in the order of --help: contract section 7, O-1 to O-71, and our own."""

from __future__ import annotations

from penstock.config import option_values as values
from penstock.config.option_table_door import DOOR_GROUPS
from penstock.config.option_table_extra import EXTRA_GROUPS
from penstock.config.option_table_models import MODEL_GROUPS
from penstock.config.option_table_network import NETWORK_GROUPS
from penstock.config.options import Group, Option

_BOOL = "<boolean>"
_INT = "<integer>"
_TEXT = "<string>"

_SERVER = Group(
    "Server",
    (
        Option("help", "Print this and exit.", flag_value="true", source="O-1"),
        Option("id", "Name of this server in its metadata.", field="id", form=_TEXT, source="O-2"),
        Option(
            "exit-timeout-secs",
            "How long to wait at shutdown for requests in progress, in seconds.",
            values.parse_count,
            "exit_timeout_secs",
            form=_INT,
            source="O-3",
        ),
        Option(
            "max-requests",
            "Requests in the server at a time, all models together; more are refused (503).",
            values.parse_int(low=1, high=2**20),
            "max_requests",
            form=_INT,
        ),
        Option(
            "queue-capacity",
            "Requests waiting for a model at a time, unless its configuration sets a queue size.",
            values.parse_int(low=1, high=2**20),
            "queue_capacity",
            form=_INT,
        ),
    ),
)

_LOGGING = Group(
    "Logging",
    (
        Option(
            "log-verbose",
            "Verbose logging: a level, 0 for none; a boolean stands for 1 or 0.",
            values.parse_verbose,
            "log_verbose",
            form=_INT,
            source="O-4",
        ),
        *(
            Option(
                f"log-{level}",
                f"Log messages of level {level}.",
                values.parse_bool,
                f"log_{level}",
                form=_BOOL,
                source="O-5",
            )
            for level in ("info", "warning", "error")
        ),
        Option(
            "log-format",
            "Form of log lines: default, ISO8601, or json (an object a line).",
            values.parse_choice("log-format", "default", "ISO8601", "json"),
            "log_format",
            form=_TEXT,
            source="O-6",
        ),
        Option(
            "log-file",
            "File that log lines are appended to instead of the console.",
            field="log_file",
            form=_TEXT,
            source="O-7",
        ),
    ),
)

GROUPS: tuple[Group, ...] = (
    _SERVER,
    _LOGGING,
    *MODEL_GROUPS,
    *NETWORK_GROUPS,
    *DOOR_GROUPS,
    *EXTRA_GROUPS,
)

OPTIONS: dict[str, Option] = {
    name: option
    for group in GROUPS
    for option in group.options
    for name in (option.name, *option.aliases)
}
