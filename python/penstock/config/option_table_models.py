# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Options about model repositories and the life cycle of models."""

from __future__ import annotations

from typing import Final

from penstock.config import option_values as values
from penstock.config.options import Group, Option, no_effect

_BOOL = "<boolean>"
_INT = "<integer>"
_SECONDS = "<seconds>"
_TEXT = "<string>"

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
            "none: all models at the start; poll: and what changes in the repository; explicit: by "
            "--load-model and by the load API.",
            values.parse_choice("model-control-mode", "none", "poll", "explicit"),
            "model_control_mode",
            form=_TEXT,
            source="O-12",
        ),
        Option(
            "repository-poll-secs",
            "Time between two looks at the repository in mode poll, in seconds; 0: only one.",
            values.parse_float,
            "repository_poll_secs",
            form=_SECONDS,
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
        Option(
            "model-load-timeout-secs",
            "A model version that does not load in this time fails; 0: it may take for ever. The "
            "time of fetching its files from a store is not counted.",
            values.parse_float,
            "model_load_timeout_secs",
            form=_SECONDS,
        ),
        Option(
            "model-memory-budget",
            "Load models when a request asks for them, and unload the least recently used when all "
            "take more than this, in bytes; 0: off.",
            values.parse_int(high=2**62),
            "model_memory_budget",
            form=_INT,
        ),
        Option(
            "model-namespacing",
            "Let models of different repositories have the same name.",
            values.parse_bool,
            "model_namespacing",
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

_STORES = Group(
    "Model repositories in object stores",
    (
        Option(
            "model-cache-directory",
            "Where models of s3://, gs:// and as:// are kept; without it TRITON_AWS_, TRITON_GCS_ "
            "or TRITON_AZURE_MOUNT_DIRECTORY, or the user's cache.",
            field="model_cache_directory",
            form="<directory>",
        ),
        Option(
            "model-cache-byte-size",
            "What of them is kept at most, in bytes; those that were used last stay.",
            values.parse_int(high=2**62),
            "model_cache_byte_size",
            form=_INT,
        ),
        Option(
            "model-store-timeout-secs",
            "A request to a store is given up after this.",
            values.parse_float,
            "model_store_timeout_secs",
            form=_SECONDS,
        ),
        Option(
            "model-store-ask-metadata",
            "Ask the cloud's metadata address for credentials where there are no others.",
            values.parse_bool,
            "model_store_ask_metadata",
            form=_BOOL,
        ),
    ),
)

MODEL_GROUPS: Final[tuple[Group, ...]] = (_MODELS, _STORES)
