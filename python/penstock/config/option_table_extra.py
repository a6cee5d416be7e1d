# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The options of back ends, memory and what is not served yet."""

from __future__ import annotations

from functools import partial

from penstock.config import option_values as values
from penstock.config.options import Group, Option, no_effect, refused

_BOOL = "<boolean>"
_INT = "<integer>"
_TEXT = "<string>"

_SAGEMAKER_REASON = "the SageMaker endpoint is not available"
_VERTEX_REASON = "the Vertex AI endpoint is not available"

_BACKENDS = Group(
    "Back ends, agents and caches",
    (
        Option(
            "backend-directory",
            "Folder of Python-based back ends: <directory>/<name>/model.py.",
            field="backend_directory",
            form="<directory>",
            source="O-56",
        ),
        Option(
            "environment-cache-directory",
            "Where execution environments of Python models are built and kept; without it the "
            "user's cache.",
            field="environment_cache_directory",
            form="<directory>",
        ),
        Option(
            "environment-cache-byte-size",
            "What of them is kept at most, in bytes; those that were used last stay.",
            values.parse_int(low=1, high=2**62),
            "environment_cache_byte_size",
            form=_INT,
        ),
        Option(
            "backend-config",
            "Setting for one back end, or for all when no name is given. May be repeated.",
            values.parse_setting("backend-config", named="backend_name"),
            "backend_config",
            form="<backend>,<setting>=<value>",
            repeats=True,
            source="O-57",
        ),
        no_effect(
            "repoagent-directory",
            "Folder of repository agents.",
            "repository agents are not available, models that ask for one fail to load",
            default="/opt/tritonserver/repoagents",
            form=_TEXT,
            source="O-58",
        ),
        Option(
            "cache-config",
            "Setting of the response cache: 'local,size=<bytes>', or 'redis,host=<name>' and its "
            "port, user, password, db, connect_timeout, socket_timeout and wait_timeout "
            "(milliseconds). May be repeated.",
            values.parse_cache_config,
            "cache_config",
            form="<cache>,<setting>=<value>",
            repeats=True,
            source="O-59",
        ),
        no_effect(
            "cache-directory",
            "Folder of cache libraries.",
            "the response cache is part of Penstock",
            default="/opt/tritonserver/caches",
            form=_TEXT,
            source="O-60",
        ),
    ),
)

_SCHEDULING = Group(
    "Rate limiter",
    (
        Option(
            "rate-limit",
            "off: instances run when they have something to do. execution_count: they run while "
            "there is enough of the resources that their instance group names, those that ran less "
            "often, times their priority, first.",
            values.parse_choice("rate-limit", "off", "execution_count"),
            "rate_limit",
            form=_TEXT,
            source="O-61",
        ),
        Option(
            "rate-limit-resource",
            "How much there is of a resource, on one device or on each; the device of a global "
            "resource is ignored. Without: as much as the most demanding instance needs. May be "
            "repeated.",
            values.parse_resource,
            "rate_limit_resources",
            form="<name>:<count>[:<device>]",
            repeats=True,
            source="O-62",
        ),
    ),
)


_MEMORY = Group(
    "Memory and devices",
    (
        Option(
            "pinned-memory-pool-byte-size",
            "Memory that the buffer pool keeps for reuse, in bytes.",
            values.parse_bytes,
            "pinned_memory_pool_byte_size",
            form=_INT,
            source="O-63",
        ),
        Option(
            "cuda-memory-pool-byte-size",
            "Memory of a GPU that its pool keeps for reuse, 67108864 where nothing is said.",
            values.parse_device_bytes("cuda-memory-pool-byte-size"),
            "cuda_memory_pool_byte_size",
            form="<device>:<bytes>",
            repeats=True,
            source="O-64",
        ),
        no_effect(
            "cuda-virtual-address-size",
            "Virtual address range of a GPU.",
            "growable memory is not supported",
            parse=values.parse_pair("cuda-virtual-address-size", "<device>:<bytes>"),
            form="<device>:<bytes>",
            default="1073741824",
            repeats=True,
            source="O-65",
        ),
        Option(
            "min-supported-compute-capability",
            "Least compute capability of a GPU that is used.",
            values.parse_float,
            "min_supported_compute_capability",
            form="<number>",
            source="O-66",
        ),
        no_effect(
            "buffer-manager-thread-count",
            "Threads that copy tensors.",
            "batches are assembled by the threads that execute them",
            parse=values.parse_count,
            default="0",
            form=_INT,
            source="O-67",
        ),
        Option(
            "host-policy",
            "NUMA node or CPU cores of the instances of a host policy (cpu, gpu_<id>, model, own).",
            values.parse_host_policy,
            "host_policies",
            form="<policy>,<setting>=<value>",
            repeats=True,
            source="O-68",
        ),
        Option(
            "model-load-gpu-limit",
            "Share of a GPU's memory in use from which no model is loaded there.",
            values.parse_device_share("model-load-gpu-limit"),
            "model_load_gpu_limit",
            form="<device>:<fraction>",
            repeats=True,
            source="O-69",
        ),
        Option(
            "allow-client-shm",
            "Let clients register memory of GPUs that they share.",
            values.parse_bool,
            "allow_client_shm",
            form=_BOOL,
            source="O-70",
        ),
    ),
)


def _only_with(switch: str, name: str, default: str, form: str = _INT) -> Option:
    parse = values.parse_count if form == _INT else values.parse_text
    reason = f"it needs --{switch}, which is not available"
    source = "O-48" if "sagemaker" in switch else "O-49"
    help = f"Belongs to --{switch}."
    return no_effect(name, help, reason, parse=parse, default=default, form=form, source=source)


_CLOUDS = Group(
    "SageMaker and Vertex AI",
    (
        refused(
            "allow-sagemaker",
            "Serve SageMaker's protocol.",
            _SAGEMAKER_REASON,
            parse=values.parse_bool,
            harmless=(False,),
            default="false",
            form=_BOOL,
            source="O-48",
        ),
        _only_with("allow-sagemaker", "sagemaker-port", "8080"),
        _only_with("allow-sagemaker", "sagemaker-safe-port-range", "", "<from>-<to>"),
        _only_with("allow-sagemaker", "sagemaker-thread-count", "8"),
        refused(
            "allow-vertex-ai",
            "Serve Vertex AI's protocol.",
            _VERTEX_REASON,
            parse=values.parse_bool,
            harmless=(False,),
            default="false",
            form=_BOOL,
            source="O-49",
        ),
        _only_with("allow-vertex-ai", "vertex-ai-port", "8080"),
        _only_with("allow-vertex-ai", "vertex-ai-thread-count", "8"),
        _only_with("allow-vertex-ai", "vertex-ai-default-model", "", _TEXT),
    ),
)


def _trace_entry(mode: str, setting: str, value: str) -> tuple[str, str, str]:
    """A deprecated option as what it is for --trace-config."""
    return mode, setting, value


_TRACING = Group(
    "Tracing",
    (
        Option(
            "trace-config",
            "Trace settings: level, rate, count, mode; triton,file and triton,log-frequency; "
            "opentelemetry,url, resource and bsp_*.",
            values.parse_setting("trace-config", named="mode"),
            "trace_entries",
            form="<mode>,<setting>=<value>",
            repeats=True,
            source="O-55",
        ),
    ),
)

_DEPRECATED = Group(
    "Deprecated",
    (
        Option(
            "strict-model-config",
            "Take configurations as they are written.",
            values.parse_not,
            "auto_complete",
            form=_BOOL,
            deprecated="use --disable-auto-complete-config",
            source="O-71",
        ),
        Option(
            "response-cache-byte-size",
            "Size of the response cache in bytes.",
            values.parse_bytes,
            "response_cache_byte_size",
            form=_INT,
            deprecated="use --cache-config",
            source="O-71",
        ),
        *(
            Option(
                name,
                f"As --trace-config {mode}{setting}=<value>.",
                partial(_trace_entry, mode.rstrip(","), setting),
                "trace_entries",
                form=_TEXT,
                repeats=True,
                deprecated="use --trace-config",
                source="O-71",
            )
            for name, mode, setting in (
                ("trace-file", "triton,", "file"),
                ("trace-level", "", "level"),
                ("trace-rate", "", "rate"),
                ("trace-count", "", "count"),
                ("trace-log-frequency", "triton,", "log-frequency"),
            )
        ),
    ),
)

EXTRA_GROUPS: tuple[Group, ...] = (
    _BACKENDS,
    _SCHEDULING,
    _MEMORY,
    _CLOUDS,
    _TRACING,
    _DEPRECATED,
)
