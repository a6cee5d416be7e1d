# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The server's settings, and how the command line becomes them (contract section 7).

    settings = parse_settings(sys.argv[1:], Profile.TRITONSERVER)

raises SettingsError for anything wrong and HelpRequested for --help; the caller prints and exits.
"""

from __future__ import annotations

import difflib
import enum
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.config.cache_settings import CacheSettings, cache_settings
from penstock.config.metrics_settings import MetricsSettings, metrics_settings
from penstock.config.option_table import OPTIONS
from penstock.config.options import Option, Status
from penstock.config.restricted_apis import Group, restrictions
from penstock.config.tls import TlsFiles
from penstock.config.trace_settings import Entry, TraceConfig, trace_config


class SettingsError(Exception):
    """A wrong command line; the message is ready to be printed. The process exits with 1."""


class HelpRequested(Exception):
    """--help was given."""


class Profile(enum.Enum):
    """Which command's defaults apply."""

    PENSTOCK = "penstock serve"
    TRITONSERVER = "tritonserver"


@dataclass(frozen=True)
class Settings:
    """What the command line says. Sizes in bytes; `_ms` milliseconds; addresses without port."""

    model_repositories: tuple[str, ...] = ()
    id: str = "penstock"
    exit_timeout_secs: int = 30
    max_requests: int = 65536
    queue_capacity: int = 4096

    log_verbose: int = 0
    log_info: bool = True
    log_warning: bool = True
    log_error: bool = True
    log_format: str = "default"
    log_file: str = ""

    exit_on_error: bool = True
    auto_complete: bool = True
    strict_readiness: bool = True
    model_control_mode: str = "none"
    load_models: tuple[str, ...] = ()
    model_config_name: str = ""
    repository_poll_secs: float = 15.0
    model_namespacing: bool = False
    model_load_thread_count: int = 4
    model_load_retry_count: int = 0
    model_load_timeout_secs: float = 3600.0
    #: bytes; 0: models are loaded as the control mode says, and stay
    model_memory_budget: int = 0
    #: empty: the environment's, or the user's cache
    model_cache_directory: str = ""
    model_cache_byte_size: int = 68719476736
    model_store_timeout_secs: float = 60.0
    model_store_ask_metadata: bool = False

    allow_http: bool = True
    http_address: str = "127.0.0.1"
    http_port: int = 8000
    reuse_http_port: bool = False
    http_max_input_size: int = 67108864
    http_max_body_size: int = 2147483648
    http_thread_count: int = 1
    http_use_ssl: bool = False
    http_use_ssl_mutual: bool = False
    http_server_cert: str = ""
    http_server_key: str = ""
    http_root_cert: str = ""

    data_plane: str = "native"
    short_work_first: bool = True
    http_max_connections: int = 10000
    http_max_in_flight_bytes: int = 1073741824
    http_header_timeout_secs: float = 10.0
    http_body_timeout_secs: float = 30.0
    http_idle_timeout_secs: float = 75.0
    http_send_timeout_secs: float = 30.0
    http_min_body_rate: int = 1024

    allow_grpc: bool = True
    grpc_address: str = "127.0.0.1"
    grpc_port: int = 8001
    reuse_grpc_port: bool = False
    grpc_infer_thread_count: int = 1
    grpc_use_ssl: bool = False
    grpc_use_ssl_mutual: bool = False
    grpc_server_cert: str = ""
    grpc_server_key: str = ""
    grpc_root_cert: str = ""
    grpc_max_connections: int = 10000
    grpc_max_in_flight_bytes: int = 1073741824
    grpc_compression_level: str = "none"
    grpc_keepalive_time_ms: int = 7200000
    grpc_keepalive_timeout_ms: int = 20000
    grpc_keepalive_permit_without_calls: bool = False
    grpc_http2_max_pings_without_data: int = 2
    grpc_http2_min_recv_ping_interval_without_data_ms: int = 300000
    grpc_http2_max_ping_strikes: int = 2
    grpc_max_connection_age_ms: int = 0
    grpc_max_connection_age_grace_ms: int = 0

    allow_metrics: bool = True
    allow_gpu_metrics: bool = True
    allow_cpu_metrics: bool = True
    #: empty: the address of HTTP; parse_settings fills it in
    metrics_address: str = ""
    metrics_port: int = 8002
    metrics_interval_ms: int = 2000
    #: ("", setting, value), in the order given
    metrics_config: tuple[tuple[str, str, str], ...] = ()
    debug_endpoints: bool = False

    #: (back end or "" for all, setting, value), in the order given
    backend_config: tuple[tuple[str, str, str], ...] = ()
    backend_directory: str = "/opt/tritonserver/backends"
    #: empty: the user's cache
    environment_cache_directory: str = ""
    environment_cache_byte_size: int = 34359738368
    pinned_memory_pool_byte_size: int = 268435456
    #: (cache, setting, value), in the order given
    cache_config: tuple[tuple[str, str, str], ...] = ()
    #: deprecated for cache_config; what there is in the end says `cache`
    response_cache_byte_size: int = 0
    #: as <major>.<minor>; Triton's, where it is built for GPUs
    min_supported_compute_capability: float = 6.0
    rate_limit: str = "off"
    #: (resource, count, device or None), in the order given
    rate_limit_resources: tuple[tuple[str, int, int | None], ...] = ()
    #: (policy, "numa-node" or "cpu-cores", value), in the order given
    host_policies: tuple[tuple[str, str, str], ...] = ()
    #: (GPU, bytes), in the order given
    cuda_memory_pool_byte_size: tuple[tuple[int, int], ...] = ()
    #: (GPU, share of its memory), in the order given
    model_load_gpu_limit: tuple[tuple[int, float], ...] = ()
    allow_client_shm: bool = False

    http_header_forward_pattern: str = ""
    grpc_header_forward_pattern: str = ""
    #: (APIs, header, value), in the order given
    http_restricted_api: tuple[Group, ...] = ()
    grpc_restricted_protocol: tuple[Group, ...] = ()
    #: (mode, setting, value), in the order given; parse_settings makes `trace` of them
    trace_entries: tuple[Entry, ...] = ()
    trace: TraceConfig = TraceConfig()

    #: what to tell the person who started the server, one line each
    warnings: tuple[str, ...] = ()

    def tls(self, protocol: str) -> TlsFiles | None:
        """The TLS of "http" or "grpc", None without; mutual TLS is TLS (O-37)."""

        def get(name: str) -> Any:
            return getattr(self, f"{protocol}_{name}")

        mutual = get("use_ssl_mutual")
        if not (mutual or get("use_ssl")):
            return None
        return TlsFiles(
            protocol, get("server_cert"), get("server_key"), get("root_cert"), mutual=mutual
        )

    @property
    def cache(self) -> CacheSettings:
        """The response cache."""
        return cache_settings(self.cache_config, self.response_cache_byte_size, os.environ)

    @property
    def metrics(self) -> MetricsSettings:
        """Which latency metrics are kept."""
        return metrics_settings(self.metrics_config)

    def backend_settings(self, backend: str) -> dict[str, str]:
        """--backend-config for one back end; its own settings hide global ones (5.4)."""
        merged = {key: value for name, key, value in self.backend_config if not name}
        own = {key: value for name, key, value in self.backend_config if name == backend}
        return merged | own


#: Where metrics are when HTTP has no address of its own.
_LOOPBACK = "127.0.0.1"
#: Scripts written for tritonserver count on being reached from other machines.
_EVERYWHERE = "0.0.0.0"

_DEFAULTS = {
    Profile.PENSTOCK: Settings(),
    Profile.TRITONSERVER: Settings(id="triton", http_address=_EVERYWHERE, grpc_address=_EVERYWHERE),
}


def default_settings(profile: Profile) -> Settings:
    """The settings of a command line without options."""
    return _DEFAULTS[profile]


def parse_settings(argv: Sequence[str], profile: Profile) -> Settings:
    """The settings of a command line without the program's name. Raises SettingsError."""
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for option, text in _split(argv):
        if option.name == "help":
            raise HelpRequested
        value = _value_of(option, text)
        if option.deprecated:
            warnings.append(f"--{option.name} is deprecated: {option.deprecated}")
        if option.status is Status.NO_EFFECT:
            warnings.append(f"--{option.name} has no effect: {option.reason}")
        elif option.field and option.repeats:
            values[option.field] = (*values.get(option.field, ()), value)
        elif option.field:
            values[option.field] = value
    return _checked(replace(_DEFAULTS[profile], **values, warnings=tuple(warnings)))


def _split(argv: Sequence[str]) -> Iterator[tuple[Option, str]]:
    """(option, text of its value) as getopt_long does: `--name=value` or `--name value`."""
    arguments = iter(argv)
    for argument in arguments:
        if argument in {"-h", "-?"}:
            argument = "--help"
        if not argument.startswith("--") or argument == "--":
            raise SettingsError(f"Unexpected argument: {argument}")
        name, equals, text = argument[2:].partition("=")
        option = _find(name)
        if option.flag_value is not None:
            if equals:
                raise _bad_option(option.name, "the option takes no argument")
            text = option.flag_value
        elif not equals:
            following = next(arguments, None)
            if following is None:
                raise _bad_option(option.name, "the option requires an argument")
            text = following
        yield option, text


def _find(name: str) -> Option:
    """The option of a name or of the beginning of only one name."""
    if name in OPTIONS:
        return OPTIONS[name]
    matches = [known for known in OPTIONS if name and known.startswith(name)]
    if len(matches) == 1:
        return OPTIONS[matches[0]]
    if matches:
        raise _bad_option(name, f"the option is ambiguous; possibilities: {_list(matches)}")
    close = difflib.get_close_matches(name, OPTIONS, n=3)
    cure = f"; did you mean {_list(close)}?" if close else ""
    raise _bad_option(name, f"unrecognized option{cure}")


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"--{name}" for name in sorted(names))


def _value_of(option: Option, text: str) -> Any:
    try:
        value = option.parse(text)
    except ValueError as error:
        raise _bad_option(option.name, str(error)) from None
    if option.status is Status.REFUSED and value not in option.harmless:
        raise _bad_option(option.name, option.reason)
    return value


def _bad_option(name: str, message: str) -> SettingsError:
    return SettingsError(f'Bad option: "--{name}".\n{message}')


def _checked(settings: Settings) -> Settings:
    """The rules that concern more than one option."""
    if not settings.model_repositories:
        raise SettingsError("--model-repository must be specified")
    if settings.load_models and settings.model_control_mode != "explicit":
        raise SettingsError(
            "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as well."
        )
    if "*" in settings.load_models and len(set(settings.load_models)) > 1:
        raise SettingsError(
            "Wildcard model name '*' must be the ONLY startup model if specified at all."
        )
    _check_budget(settings)
    settings = replace(settings, trace=_checked_groups(settings))
    if not settings.metrics_address:
        local = settings.http_address.startswith("unix:")
        address = _LOOPBACK if local else settings.http_address
        settings = replace(settings, metrics_address=address)
    _check_ports(settings)
    return replace(settings, warnings=(*settings.warnings, *_unused_files(settings)))


def _check_budget(settings: Settings) -> None:
    """Polls load what they find, and a model that is named by its repository has several names."""
    if not settings.model_memory_budget:
        return
    if settings.model_control_mode == "poll":
        raise SettingsError("--model-memory-budget cannot be used with --model-control-mode=poll")
    if settings.model_namespacing:
        raise SettingsError("--model-memory-budget cannot be used with --model-namespacing=true")


def _checked_groups(settings: Settings) -> TraceConfig:
    """Of options that are given piece by piece: what the pieces are together."""
    option = "cache-config"
    try:
        _ = settings.cache
        option = "metrics-config"
        metrics_settings(settings.metrics_config)
        option = "http-restricted-api"
        restrictions(settings.http_restricted_api)
        option = "grpc-restricted-protocol"
        restrictions(settings.grpc_restricted_protocol)
        option = "trace-config"
        return trace_config(settings.trace_entries, os.environ)
    except ValueError as error:
        raise _bad_option(option, str(error)) from None


def _unused_files(settings: Settings) -> Iterator[str]:
    """A certificate alone does not make the port speak TLS: whoever gives one should know."""
    for protocol in ("http", "grpc"):
        if settings.tls(protocol) is None:
            for name in ("server_cert", "server_key", "root_cert"):
                if getattr(settings, f"{protocol}_{name}"):
                    flag = f"--{protocol}-{name.replace('_', '-')}"
                    yield f"{flag} has no effect without --{protocol}-use-ssl=true"


def _check_ports(settings: Settings) -> None:
    services = [
        ("HTTP", settings.allow_http, settings.http_address, settings.http_port),
        ("GRPC", settings.allow_grpc, settings.grpc_address, settings.grpc_port),
        ("metrics", settings.allow_metrics, settings.metrics_address, settings.metrics_port),
    ]
    taken: dict[tuple[str, int], str] = {}
    for service, enabled, address, port in services:
        if not enabled or port == 0:
            continue
        first = taken.setdefault((address, port), service)
        if first != service:
            raise SettingsError(
                f"The server cannot listen to {first} requests and {service} requests "
                f"at the same address and port {address}:{port}"
            )
