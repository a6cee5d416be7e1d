# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The options of what the server listens to: HTTP, gRPC and metrics."""

from __future__ import annotations

from penstock.config import option_values as values
from penstock.config.options import Group, Option, no_effect
from penstock.config.restricted_apis import parse_group

_BOOL = "<boolean>"
_INT = "<integer>"
_TEXT = "<string>"


def _switch(name: str, help: str, source: str) -> Option:
    field = name.replace("-", "_")
    return Option(name, help, values.parse_bool, field, form=_BOOL, source=source)


def _tls(protocol: str, sources: tuple[str, str, str] = ("", "", "")) -> tuple[Option, ...]:
    """The flags of TLS, the same for both protocols; Triton has those of gRPC only."""
    own = f"{protocol}-use-ssl"
    files = (
        ("server-cert", "PEM file of the server's certificate, with the chain behind it."),
        ("server-key", "PEM file of the certificate's key."),
        ("root-cert", "PEM file of the authorities that vouch for clients' certificates."),
    )
    return (
        _switch(own, f"Serve {_NAMES[protocol]} over TLS, by the Python frontend.", sources[0]),
        _switch(
            f"{own}-mutual", "The same, and every client has to show a certificate.", sources[1]
        ),
        *(
            Option(
                f"{protocol}-{name}",
                help,
                field=f"{protocol}_{name.replace('-', '_')}",
                form="<path>",
                source=sources[2],
            )
            for name, help in files
        ),
    )


_NAMES = {"http": "HTTP", "grpc": "gRPC"}

_HTTP = Group(
    "HTTP",
    (
        _switch("allow-http", "Serve HTTP.", "O-20"),
        Option(
            "http-address",
            "Address to listen at, or unix:<path>.",
            field="http_address",
            form=_TEXT,
            source="O-21",
        ),
        Option(
            "http-port",
            "Port to listen at; 0: any free port.",
            values.parse_port,
            "http_port",
            form=_INT,
            source="O-22",
        ),
        _switch("reuse-http-port", "Share the port with other processes (SO_REUSEPORT).", "O-23"),
        Option(
            "http-header-forward-pattern",
            "Regular expression of header names that become request parameters.",
            field="http_header_forward_pattern",
            form=_TEXT,
            source="O-24",
        ),
        Option(
            "http-thread-count",
            "Event loops that serve HTTP on the native data plane; one serves some 100,000 small "
            "requests a second.",
            values.parse_int(low=1, high=256),
            "http_thread_count",
            form=_INT,
            source="O-25",
        ),
        Option(
            "http-max-input-size",
            "Largest JSON input, in bytes.",
            values.parse_input_size,
            "http_max_input_size",
            form=_INT,
            source="O-26",
        ),
        Option(
            "http-max-body-size",
            "Largest body of a request, binary data included, in bytes; more is refused (413).",
            values.parse_int(low=1, high=2**48),
            "http_max_body_size",
            form=_INT,
        ),
        *_tls("http"),
        Option(
            "http-restricted-api",
            "APIs that need a header with a secret.",
            parse_group("http-restricted-api"),
            "http_restricted_api",
            form="<apis>:<key>=<value>",
            repeats=True,
            source="O-27",
        ),
    ),
)


def _grpc_time(name: str, help: str, source: str) -> Option:
    field = name.replace("-", "_") + "_ms"
    return Option(name, help, values.parse_count, field, form=_INT, source=source)


_GRPC = Group(
    "gRPC",
    (
        _switch("allow-grpc", "Serve gRPC.", "O-28"),
        Option(
            "grpc-address", "Address to listen at.", field="grpc_address", form=_TEXT, source="O-29"
        ),
        Option(
            "grpc-port",
            "Port to listen at; 0: any free port.",
            values.parse_port,
            "grpc_port",
            form=_INT,
            source="O-30",
        ),
        _switch("reuse-grpc-port", "Share the port with other processes (SO_REUSEPORT).", "O-31"),
        Option(
            "grpc-header-forward-pattern",
            "Regular expression of metadata keys that become request parameters.",
            field="grpc_header_forward_pattern",
            form=_TEXT,
            source="O-32",
        ),
        Option(
            "grpc-infer-thread-count",
            "Event loops that serve gRPC on the native data plane, 2 to 128; without it one does, "
            "which serves some 100,000 small calls a second.",
            values.parse_infer_threads,
            "grpc_infer_thread_count",
            form=_INT,
            source="O-33",
        ),
        no_effect(
            "grpc-infer-allocation-pool-size",
            "Call objects kept for reuse.",
            "request slots are pooled for all protocols together",
            parse=values.parse_count,
            default="8",
            form=_INT,
            source="O-34",
        ),
        no_effect(
            "grpc-max-response-pool-size",
            "Responses of one stream that may wait for its reader.",
            "the server bounds them by itself",
            parse=values.parse_positive,
            default="2147483647",
            form=_INT,
            source="O-35",
        ),
        *_tls("grpc", ("O-36", "O-37", "O-38")),
        Option(
            "grpc-infer-response-compression-level",
            "Compression of responses: none, low, medium or high.",
            values.parse_choice(
                "grpc-infer-response-compression-level", "none", "low", "medium", "high"
            ),
            "grpc_compression_level",
            form=_TEXT,
            source="O-39",
        ),
        _grpc_time("grpc-keepalive-time", "Time between two keep-alive pings, in ms.", "O-40"),
        _grpc_time("grpc-keepalive-timeout", "Time to wait for the answer, in ms.", "O-41"),
        _switch(
            "grpc-keepalive-permit-without-calls", "Send pings also while there is no call.", "O-42"
        ),
        Option(
            "grpc-http2-max-pings-without-data",
            "Pings in a row without a data frame between.",
            values.parse_count,
            "grpc_http2_max_pings_without_data",
            form=_INT,
            source="O-43",
        ),
        _grpc_time(
            "grpc-http2-min-recv-ping-interval-without-data",
            "Least time between two pings of a client, in ms.",
            "O-44",
        ),
        Option(
            "grpc-http2-max-ping-strikes",
            "Pings that come too early before a connection is closed.",
            values.parse_count,
            "grpc_http2_max_ping_strikes",
            form=_INT,
            source="O-45",
        ),
        _grpc_time("grpc-max-connection-age", "Life of a connection, in ms; 0: no limit.", "O-46"),
        _grpc_time(
            "grpc-max-connection-age-grace",
            "Time for its calls to end after that, in ms; 0: no limit.",
            "O-46",
        ),
        Option(
            "grpc-restricted-protocol",
            "APIs that need metadata with a secret.",
            parse_group("grpc-restricted-protocol"),
            "grpc_restricted_protocol",
            form="<protocols>:<key>=<value>",
            repeats=True,
            source="O-47",
        ),
    ),
)

_METRICS = Group(
    "Metrics",
    (
        _switch("allow-metrics", "Serve metrics.", "O-50"),
        _switch("allow-gpu-metrics", "Metrics of GPUs, where there are some.", "O-50"),
        _switch("allow-cpu-metrics", "Metrics of the machine's CPUs and memory.", "O-50"),
        Option(
            "metrics-address",
            "Address to listen at; not given: that of HTTP.",
            field="metrics_address",
            form=_TEXT,
            source="O-51",
        ),
        Option(
            "metrics-port",
            "Port to listen at; 0: any free port.",
            values.parse_port,
            "metrics_port",
            form=_INT,
            source="O-52",
        ),
        Option(
            "metrics-interval-ms",
            "Age at which polled metrics are read anew, in ms.",
            values.parse_positive,
            "metrics_interval_ms",
            form=_INT,
            source="O-53",
        ),
        _switch(
            "debug-endpoints",
            "Serve /debug/ledger beside the metrics: what was created and released, for tests.",
            "",
        ),
        Option(
            "metrics-config",
            "Which latency metrics are kept: 'counter_latencies', 'histogram_latencies' and "
            "'summary_latencies' are true or false, 'summary_quantiles' is "
            "'<quantile>:<error>[,...]'. May be repeated.",
            values.parse_setting("metrics-config", named="name"),
            "metrics_config",
            form="<setting>=<value>",
            repeats=True,
            source="O-54",
        ),
    ),
)

NETWORK_GROUPS: tuple[Group, ...] = (_HTTP, _GRPC, _METRICS)
