# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Every option, in the order of --help: contract section 7, O-1 to O-71, and our own."""

from __future__ import annotations

from penstock.config import option_values as values
from penstock.config.option_table_door import DOOR_GROUPS
from penstock.config.option_table_extra import EXTRA_GROUPS
from penstock.config.option_table_network import NETWORK_GROUPS
from penstock.config.options import Group, Option, no_effect, refused

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

_MODELS = Group(
    "Model repository",
    (
        Option(
            "model-repository",
            "Folder with one folder a model. May be given several times.",
            field="model_repositories",
            form=_TEXT,
            repeats=True,
            aliases=("model-store",),
            source="O-8",
        ),
        Option(
            "exit-on-error",
            "Exit when a model fails to load at the start.",
            values.parse_bool,
            "exit_on_error",
            form=_BOOL,
            source="O-9",
        ),
        Option(
            "disable-auto-complete-config",
            "Take configurations as they are written, complete nothing from the model files.",
            values.parse_not,
            "auto_complete",
            flag_value="true",
            source="O-10",
        ),
        Option(
            "strict-readiness",
            "The server is ready only while every model is.",
            values.parse_bool,
            "strict_readiness",
            form=_BOOL,
            source="O-11",
        ),
        Option(
            "model-control-mode",
            "none: all models at the start; explicit: by --load-model and by the load API.",
            values.parse_choice(
                "model-control-mode",
                "none",
                "explicit",
                refused={
                    "poll": "mode 'poll' is not available: use 'explicit' and the load API to "
                    "change models while the server runs"
                },
            ),
            "model_control_mode",
            form=_TEXT,
            source="O-12",
        ),
        no_effect(
            "repository-poll-secs",
            "Time between two looks at the repository in mode poll, in seconds.",
            "repositories are not polled",
            parse=values.parse_count,
            default="15",
            form=_INT,
            source="O-13",
        ),
        Option(
            "load-model",
            "Model to load at the start in mode explicit, or * for all. May be repeated.",
            field="load_models",
            form=_TEXT,
            repeats=True,
            source="O-14",
        ),
        Option(
            "model-config-name",
            "Use configs/<name>.pbtxt of a model, where it is, instead of config.pbtxt.",
            values.parse_config_name,
            "model_config_name",
            form=_TEXT,
            source="O-15",
        ),
        Option(
            "model-load-thread-count",
            "Model versions that load at a time.",
            values.parse_int(low=1, high=1024),
            "model_load_thread_count",
            form=_INT,
            source="O-16",
        ),
        Option(
            "model-load-retry-count",
            "Further attempts for a model version that fails to load.",
            values.parse_int(high=1000),
            "model_load_retry_count",
            form=_INT,
            source="O-17",
        ),
        refused(
            "model-namespacing",
            "Let models of different repositories have the same name.",
            "namespaces for models are not available: give each model a name of its own",
            parse=values.parse_bool,
            harmless=(False,),
            default="false",
            form=_BOOL,
            source="O-18",
        ),
        no_effect(
            "enable-peer-access",
            "Copies from one GPU to another.",
            "tensors travel through the host's memory",
            parse=values.parse_bool,
            default="true",
            form=_BOOL,
            source="O-19",
        ),
    ),
)

GROUPS: tuple[Group, ...] = (
    _SERVER,
    _LOGGING,
    _MODELS,
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
