# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""--trace-config and what it replaces, restricted APIs (O-27, O-47, O-55, O-71, T-8, T-20)."""

from __future__ import annotations

import pytest
from penstock.config.restricted_apis import APIS, GRPC_PREFIX, parse_group, restrictions
from penstock.config.settings import Profile, Settings, SettingsError, parse_settings
from penstock.config.trace_settings import TraceConfig, trace_config


def settings(*options: str) -> Settings:
    return parse_settings(["--model-repository=/models", *options], Profile.PENSTOCK)


def test_defaults() -> None:
    assert settings().trace == TraceConfig()
    assert trace_config((), {}) == TraceConfig(mode="triton", rate=1000, count=-1, log_frequency=0)


def test_every_setting() -> None:
    config = settings(
        "--trace-config=mode=OpenTelemetry",
        "--trace-config=level=TIMESTAMPS",
        "--trace-config=rate=5",
        "--trace-config=count=7",
        "--trace-config=triton,file=/tmp/t",
        "--trace-config=triton,log-frequency=3",
        "--trace-config=opentelemetry,url=http://host/x=y",
        "--trace-config=opentelemetry,resource=a=b",
        "--trace-config=opentelemetry,resource=c=d",
        "--trace-config=opentelemetry,bsp_max_queue_size=10",
        "--trace-config=opentelemetry,bsp_schedule_delay=20",
        "--trace-config=opentelemetry,bsp_max_export_batch_size=30",
    ).trace
    assert config == TraceConfig(
        mode="opentelemetry",
        levels=frozenset({"TIMESTAMPS"}),
        rate=5,
        count=7,
        log_frequency=3,
        file="/tmp/t",
        url="http://host/x=y",
        resource={"a": "b", "c": "d"},
        bsp_max_queue_size=10,
        bsp_schedule_delay_ms=20,
        bsp_max_export_batch_size=30,
    )


@pytest.mark.parametrize(
    ("words", "levels"),
    [
        (["MIN"], {"TIMESTAMPS"}),
        (["true"], {"TIMESTAMPS"}),
        (["tensors"], {"TENSORS"}),
        (["max", "tensors"], {"TIMESTAMPS", "TENSORS"}),
        (["max", "off", "tensors"], set()),
    ],
)
def test_levels(words: list[str], levels: set[str]) -> None:
    """T-8."""
    entries = [("", "level", word) for word in words]
    assert trace_config(entries, {}).levels == levels


def test_deprecated_options() -> None:
    """O-71."""
    made = settings(
        "--trace-file=/tmp/t",
        "--trace-level=TIMESTAMPS",
        "--trace-rate=2",
        "--trace-count=3",
        "--trace-log-frequency=4",
    )
    assert made.trace == TraceConfig(
        levels=frozenset({"TIMESTAMPS"}), rate=2, count=3, log_frequency=4, file="/tmp/t"
    )
    assert len([w for w in made.warnings if "use --trace-config" in w]) == 5


def test_the_environment_of_opentelemetry() -> None:
    """T-20: the command line goes before it."""
    environment = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=mine,team=blue",
        "OTEL_BSP_SCHEDULE_DELAY": "9",
        "OTEL_BSP_MAX_QUEUE_SIZE": "8",
    }
    entries = [
        ("opentelemetry", "bsp_max_queue_size", "7"),
        ("opentelemetry", "resource", "team=red"),
    ]
    config = trace_config(entries, environment)
    assert config.resource == {"service.name": "mine", "team": "red"}
    assert (config.bsp_max_queue_size, config.bsp_schedule_delay_ms) == (7, 9)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("level=loud", "unknown trace level 'loud'"),
        ("mode=jaeger", "unknown trace mode 'jaeger'"),
        ("jaeger,url=x", "unknown trace mode 'jaeger'"),
        ("rate=x", "the trace setting 'rate' is a number. Got x"),
        ("rate=-1", "the trace setting 'rate' is 0 to 4294967295. Got -1"),
        ("count=-2", "the trace setting 'count' is -1 to"),
        ("count=" + "9" * 5000, "the trace setting 'count' is a number"),
        ("colour=red", "there is no setting 'colour'"),
        ("triton,url=x", "the trace mode 'triton' has no setting 'url'"),
        ("opentelemetry,url=file:///etc/passwd", "is an http or https URL"),
        ("opentelemetry,resource=nothing", "a trace resource is '<key>=<value>'"),
        ("file", "option format is '<mode>,<setting>=<value>'"),
    ],
)
def test_bad_trace_settings(option: str, text: str) -> None:
    with pytest.raises(SettingsError, match='Bad option: "--trace-config"') as failed:
        settings(f"--trace-config={option}")
    assert text in str(failed.value)


def test_restricted_apis() -> None:
    made = settings(
        "--http-restricted-api=health,metadata:key=a=b:c",
        "--http-restricted-api=trace:other=x",
        "--grpc-restricted-protocol=inference:key=v",
    )
    assert restrictions(made.http_restricted_api) == {
        "health": ("key", "a=b:c"),
        "metadata": ("key", "a=b:c"),
        "trace": ("other", "x"),
    }
    assert restrictions(made.grpc_restricted_protocol, GRPC_PREFIX) == {
        "inference": ("triton-grpc-protocol-key", "v")
    }


@pytest.mark.parametrize("api", APIS)
def test_every_api_can_be_restricted(api: str) -> None:
    assert parse_group("x")(f"{api}:k=v") == ((api,), "k", "v")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("health", "option format is"),
        ("health:key", "option format is"),
        (":key=v", "option format is"),
        ("health:=v", "option format is"),
        ("healthy:k=v", "unknown restricted api 'healthy'"),
        ("health:a key=v", "is no name of a header"),
    ],
)
def test_bad_groups(value: str, text: str) -> None:
    with pytest.raises(SettingsError, match='Bad option: "--http-restricted-api"') as failed:
        settings(f"--http-restricted-api={value}")
    assert text in str(failed.value)


def test_an_api_in_two_groups() -> None:
    groups = ["--http-restricted-api=health,trace:a=b", "--http-restricted-api=health:c=d"]
    text = "restricted api 'health' can not be specified in multiple config groups"
    with pytest.raises(SettingsError, match=text):
        settings(*groups)
