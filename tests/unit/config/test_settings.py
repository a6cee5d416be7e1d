# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The command line (contract section 7)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from penstock.config.cache_settings import CacheSettings, RedisSettings
from penstock.config.metrics_settings import MetricsSettings
from penstock.config.option_table import GROUPS, OPTIONS
from penstock.config.options import Option, Status
from penstock.config.settings import (
    HelpRequested,
    Profile,
    Settings,
    SettingsError,
    default_settings,
    parse_settings,
)
from penstock.config.tls import TlsFiles
from penstock.config.usage import usage

REPOSITORY = "--model-repository=/models"
ALL = [option for group in GROUPS for option in group.options]


def parse(*arguments: str, profile: Profile = Profile.TRITONSERVER) -> Settings:
    return parse_settings([REPOSITORY, *arguments], profile)


def error(*arguments: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(*arguments)
    return str(caught.value)


def bad(option: str, message: str) -> str:
    return f'Bad option: "--{option}".\n{message}'


def ids(options: list[Option]) -> list[str]:
    return [option.name for option in options]


# ---------------------------------------------------------------- the table


def test_every_number_of_the_contract_has_its_option() -> None:
    sources = {option.source for option in ALL}
    assert {f"O-{number}" for number in range(1, 72)} <= sources


def test_names_are_unique() -> None:
    names = [name for option in ALL for name in (option.name, *option.aliases)]
    assert len(names) == len(set(names)) == len(OPTIONS)


def test_every_field_has_an_option_and_every_option_a_field() -> None:
    fields = {field.name for field in dataclasses.fields(Settings)} - {"warnings", "trace"}
    assert {option.field for option in ALL if option.field} == fields
    for option in ALL:
        if option.name != "help":
            assert bool(option.field) == (option.status is Status.HONOURED), option.name


@pytest.mark.parametrize(
    "option", [o for o in ALL if o.status is not Status.HONOURED], ids=lambda o: o.name
)
def test_what_is_not_honoured_says_why(option: Option) -> None:
    assert option.reason


def test_defaults_of_the_two_commands() -> None:
    triton = parse()
    assert (triton.id, triton.http_address, triton.grpc_address) == ("triton", "0.0.0.0", "0.0.0.0")
    ours = parse(profile=Profile.PENSTOCK)
    assert (ours.id, ours.http_address, ours.grpc_address) == ("penstock", "127.0.0.1", "127.0.0.1")
    assert (triton.http_port, triton.grpc_port, triton.metrics_port) == (8000, 8001, 8002)
    assert triton.model_control_mode == "none"
    assert triton.exit_on_error and triton.strict_readiness and triton.auto_complete
    assert (triton.http_max_input_size, triton.exit_timeout_secs) == (67108864, 30)
    assert triton.warnings == ()


def test_metrics_listen_where_http_does() -> None:
    assert parse("--http-address=10.0.0.1").metrics_address == "10.0.0.1"
    assert parse("--http-address=10.0.0.1", "--metrics-address=::1").metrics_address == "::1"


# ---------------------------------------------------------------- values

VALUES: list[tuple[list[str], str, Any]] = [
    (["--id=x"], "id", "x"),
    (["--id", "x"], "id", "x"),
    (["--id", "--odd"], "id", "--odd"),
    (["--id="], "id", ""),
    (["--log-verbose=3"], "log_verbose", 3),
    (["--log-verbose=TRUE"], "log_verbose", 1),
    (["--log-verbose=off"], "log_verbose", 0),
    (["--log-info=0"], "log_info", False),
    (["--log-format=iso8601"], "log_format", "ISO8601"),
    (["--model-store=/b"], "model_repositories", ("/models", "/b")),
    (["--exit-on-error=oFF"], "exit_on_error", False),
    (["--disable-auto-complete-config"], "auto_complete", False),
    (["--strict-model-config=true"], "auto_complete", False),
    (["--strict-model-config=false"], "auto_complete", True),
    (["--model-control-mode=EXPLICIT"], "model_control_mode", "explicit"),
    (
        ["--model-control-mode=explicit", "--load-model=a", "--load-model=b"],
        "load_models",
        ("a", "b"),
    ),
    (["--model-control-mode=explicit", "--load-model=*"], "load_models", ("*",)),
    (["--http-port=0"], "http_port", 0),
    (["--grpc-keepalive-time=5"], "grpc_keepalive_time_ms", 5),
    (["--grpc-infer-response-compression-level=High"], "grpc_compression_level", "high"),
    (["--allow-metrics=false"], "allow_metrics", False),
    (["--pinned-memory-pool-byte-size=0"], "pinned_memory_pool_byte_size", 0),
    (["--queue-capacity=7"], "queue_capacity", 7),
    (["--max-requests=9"], "max_requests", 9),
    (["--model-load-thread=2"], "model_load_thread_count", 2),  # the beginning of one name only
    (
        ["--backend-config=onnxruntime,a=b=c", "--backend-config=d=e"],
        "backend_config",
        (("onnxruntime", "a", "b=c"), ("", "d", "e")),
    ),
]


@pytest.mark.parametrize(("arguments", "field", "value"), VALUES, ids=lambda v: str(v))
def test_values(arguments: list[str], field: str, value: Any) -> None:
    assert getattr(parse(*arguments), field) == value


def test_settings_of_a_back_end_hide_global_ones() -> None:
    settings = parse(
        "--backend-config=a=global", "--backend-config=x,a=own", "--backend-config=y,a=other"
    )
    assert settings.backend_settings("x") == {"a": "own"}
    assert settings.backend_settings("z") == {"a": "global"}


@pytest.mark.parametrize(
    "argument",
    [
        "--allow-sagemaker=false",
        "--allow-vertex-ai=0",
        "--grpc-use-ssl=false",
        "--model-namespacing=false",
        "--trace-level=OFF",
        "--trace-config=level=OFF",
        "--metrics-config=counter_latencies=true",
        "--response-cache-byte-size=0",
        "--http-header-forward-pattern=",
    ],
)
def test_options_that_ask_for_nothing_are_accepted(argument: str) -> None:
    parse(argument)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tls(protocol: str) -> None:
    """O-36..O-38: mutual TLS is TLS; files alone do nothing, which is said."""
    files = [f"--{protocol}-server-cert=c", f"--{protocol}-server-key=k"]
    off = parse(*files)
    assert off.tls(protocol) is None
    assert off.warnings == tuple(
        f"{argument.partition('=')[0]} has no effect without --{protocol}-use-ssl=true"
        for argument in files
    )
    on = parse(*files, f"--{protocol}-use-ssl=true")
    assert on.tls(protocol) == TlsFiles(protocol, "c", "k")
    assert on.warnings == ()
    mutual = parse(*files, f"--{protocol}-use-ssl-mutual=1", f"--{protocol}-root-cert=r")
    assert mutual.tls(protocol) == TlsFiles(protocol, "c", "k", "r", mutual=True)


@pytest.mark.parametrize(
    "argument",
    [
        "--cuda-virtual-address-size=0:1024",
        "--repoagent-directory=/opt/tritonserver/repoagents",
        "--vertex-ai-port=8080",
    ],
)
def test_options_without_effect_are_accepted_with_a_note(argument: str) -> None:
    name = argument.partition("=")[0]
    assert [warning for warning in parse(argument).warnings if warning.startswith(name)]


def test_folders_of_python_models() -> None:
    """O-56, and our own for execution environments."""
    assert parse().backend_directory == "/opt/tritonserver/backends"
    assert parse("--backend-directory=/b").backend_directory == "/b"
    assert parse("--environment-cache-directory=/c").environment_cache_directory == "/c"
    assert parse("--environment-cache-byte-size=9").environment_cache_byte_size == 9


def test_short_work_goes_first_unless_told_not_to() -> None:
    assert parse().short_work_first
    assert not parse("--short-work-first=false").short_work_first


def test_the_loops_of_the_grpc_door() -> None:
    """O-33: one, until more are asked for."""
    assert parse().grpc_infer_thread_count == 1
    assert parse("--grpc-infer-thread-count=128").grpc_infer_thread_count == 128


def test_deprecated_options_name_their_successor() -> None:
    assert "--disable-auto-complete-config" in parse("--strict-model-config=1").warnings[0]


# ---------------------------------------------------------------- errors

ERRORS: list[tuple[list[str], str]] = [
    (["--log-info=yes"], bad("log-info", "invalid value for bool option: yes")),
    (["--log-info="], bad("log-info", "invalid value for bool option: ")),
    (["--http-port=x1"], bad("http-port", "Invalid option value. Got x1")),
    (["--http-port=1x"], bad("http-port", "Invalid option value. Got 1x")),
    (["--http-port=65536"], bad("http-port", "Provided option value is out of bound. Got 65536")),
    (["--http-port=-1"], bad("http-port", "Provided option value is out of bound. Got -1")),
    (
        ["--exit-timeout-secs=" + "9" * 5000],
        bad("exit-timeout-secs", "Provided option value is out of bound. Got " + "9" * 5000),
    ),
    (
        ["--model-load-thread-count=0"],
        bad("model-load-thread-count", "Provided option value is out of bound. Got 0"),
    ),
    (
        ["--http-max-input-size=0"],
        bad("http-max-input-size", "Error: --http-max-input-size must be greater than 0."),
    ),
    (
        ["--http-max-input-size=-5"],
        bad("http-max-input-size", "Error: --http-max-input-size must be greater than 0."),
    ),
    (
        ["--grpc-infer-thread-count=1"],
        bad(
            "grpc-infer-thread-count",
            "invalid argument for --grpc_infer_thread_count. Must be in the range 2 to 128.",
        ),
    ),
    (["--log-format=x"], bad("log-format", "invalid argument for --log-format")),
    (
        ["--model-control-mode=x"],
        bad("model-control-mode", "invalid argument for --model-control-mode"),
    ),
    (
        ["--model-config-name="],
        bad("model-config-name", "Error: empty argument for --model-config-name"),
    ),
    (["--model-config-name=../x"], bad("model-config-name", "Invalid option value. Got ../x")),
    (
        ["--backend-config=novalue"],
        bad(
            "backend-config",
            "--backend-config option format is '<backend_name>,<setting>=<value>'. Got novalue",
        ),
    ),
    (
        ["--host-policy=cpu,other=1"],
        bad(
            "host-policy",
            "Unsupported host policy setting 'other' is specified, supported settings are "
            "'numa-node', 'cpu-cores'",
        ),
    ),
    (
        ["--host-policy=cpu-cores=0-1"],
        bad(
            "host-policy",
            "No host policy specified. --host-policy option format is "
            "<policy_name>,<setting>=<value>. Got cpu-cores=0-1",
        ),
    ),
    (
        ["--host-policy=cpu,numa-node=first"],
        bad("host-policy", "numa-node must be the number of a NUMA node. Got cpu,numa-node=first"),
    ),
    (
        ["--host-policy=cpu,cpu-cores=3-1"],
        bad("host-policy", "'3-1' is not a list of cores: 3 is greater than 1"),
    ),
    (["--nothing=1"], bad("nothing", "unrecognized option")),
    (
        ["--htp-port=1"],
        bad(
            "htp-port",
            "unrecognized option; did you mean --grpc-port, --http-port, --reuse-http-port?",
        ),
    ),
    (
        ["--log"],
        bad(
            "log",
            "the option is ambiguous; possibilities: --log-error, --log-file, "
            "--log-format, --log-info, --log-verbose, --log-warning",
        ),
    ),
    (["--id"], bad("id", "the option requires an argument")),
    (
        ["--disable-auto-complete-config=true"],
        bad("disable-auto-complete-config", "the option takes no argument"),
    ),
    (["extra"], "Unexpected argument: extra"),
    (["-x"], "Unexpected argument: -x"),
    (["--"], "Unexpected argument: --"),
    (
        ["--load-model=a"],
        "Error: Use of '--load-model' requires setting '--model-control-mode=explicit' as well.",
    ),
    (
        ["--model-control-mode=explicit", "--load-model=*", "--load-model=a"],
        "Wildcard model name '*' must be the ONLY startup model if specified at all.",
    ),
    (
        ["--grpc-port=8000"],
        "The server cannot listen to HTTP requests and GRPC requests at the same address and port "
        "0.0.0.0:8000",
    ),
    (
        ["--metrics-port=8001"],
        "The server cannot listen to GRPC requests and metrics requests at the same address and "
        "port 0.0.0.0:8001",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS, ids=lambda v: str(v)[:40])
def test_errors(arguments: list[str], message: str) -> None:
    assert error(*arguments) == message


def test_ports_may_be_equal_where_they_do_not_meet() -> None:
    parse("--grpc-port=8000", "--grpc-address=127.0.0.1")
    parse("--grpc-port=8000", "--allow-http=false", "--allow-metrics=false")
    parse("--grpc-port=0", "--http-port=0", "--metrics-port=0")


def test_a_repository_is_required() -> None:
    with pytest.raises(SettingsError, match="^--model-repository must be specified$"):
        parse_settings([], Profile.PENSTOCK)


REFUSED = [
    "--allow-sagemaker=true",
    "--allow-vertex-ai=true",
]


@pytest.mark.parametrize("argument", REFUSED)
def test_refused_options_say_their_name_and_why(argument: str) -> None:
    name = argument.partition("=")[0][2:]
    assert error(argument) == bad(name, OPTIONS[name].reason)


def test_latency_metrics() -> None:
    """O-54: Triton's defaults, and what replaces them."""
    metrics = parse().metrics
    assert metrics == MetricsSettings(True, False, False, metrics.summary_quantiles)
    assert metrics.summary_quantiles == (
        (0.5, 0.05),
        (0.9, 0.01),
        (0.95, 0.001),
        (0.99, 0.001),
        (0.999, 0.001),
    )
    assert metrics.summary_error == 0
    metrics = parse(
        "--metrics-config=counter_latencies=false",
        "--metrics-config=histogram_latencies=false",
        "--metrics-config=histogram_latencies=true",
        "--metrics-config=summary_latencies=TRUE",
        "--metrics-config=summary_quantiles=0.9:0.02,0.5:0.1",
    ).metrics
    assert metrics == MetricsSettings(False, True, True, ((0.5, 0.1), (0.9, 0.02)))
    assert metrics.summary_error == 0.02


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("speed=1", "there is no setting 'speed', only counter_latencies, "),
        ("triton,counter_latencies=true", "there is no setting 'triton,counter_latencies', only "),
        ("counter_latencies=yes", "'counter_latencies' is true or false. Got yes"),
        ("summary_quantiles=0.5", "'summary_quantiles' is a list of <quantile>:<error>"),
        ("summary_quantiles=0.5:0", "errors between 0.0005 and 1. Got 0.5:0"),
        ("summary_quantiles=1.5:0.1", "quantiles between 0 and 1"),
        ("summary_quantiles=nan:0.1", "Got nan:0.1"),
        ("summary_quantiles=0.5:0.1,", "Got "),
        (
            "summary_quantiles=" + ",".join(f"{n / 100}:0.1" for n in range(65)),
            "'summary_quantiles' has at most 64 quantiles",
        ),
    ],
)
def test_latency_metrics_that_make_no_sense(setting: str, message: str) -> None:
    found = error(f"--metrics-config={setting}")
    assert found.startswith('Bad option: "--metrics-config".')
    assert message in found


def test_rate_limit() -> None:
    """O-61, O-62: off unless asked for; what there is of resources, on a device or on each."""
    assert (parse().rate_limit, parse().rate_limit_resources) == ("off", ())
    settings = parse(
        "--rate-limit=execution_count", "--rate-limit-resource=R1:3", "--rate-limit-resource=R2:0:1"
    )
    assert settings.rate_limit == "execution_count"
    assert settings.rate_limit_resources == (("R1", 3, None), ("R2", 0, 1))
    assert "invalid argument for --rate-limit" in error("--rate-limit=always")


@pytest.mark.parametrize(
    "text", ["", "R", "R:", ":1", "R:-1", "R:x", "R:1:", "R:1:-1", "R:4294967296"]
)
def test_resources_that_cannot_be_read(text: str) -> None:
    assert error(f"--rate-limit-resource={text}") == bad(
        "rate-limit-resource",
        "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or "
        f"'<resource_name>:<count>'. Got {text}",
    )


def test_memory_of_gpus() -> None:
    """O-64, O-69, O-70."""
    assert parse().cuda_memory_pool_byte_size == parse().model_load_gpu_limit == ()
    assert not parse().allow_client_shm
    pools = parse("--cuda-memory-pool-byte-size=0:1024", "--cuda-memory-pool-byte-size=1:0")
    assert pools.cuda_memory_pool_byte_size == ((0, 1024), (1, 0))
    limits = parse("--model-load-gpu-limit=0:0.5", "--model-load-gpu-limit=1:1")
    assert limits.model_load_gpu_limit == ((0, 0.5), (1, 1.0))
    assert parse("--allow-client-shm=true").allow_client_shm
    for bad_value in ("0:1.5", "0:x", "0", ":1", "-1:0.5"):
        assert "model-load-gpu-limit" in error(f"--model-load-gpu-limit={bad_value}")
    for bad_value in ("0:x", "0", "x:1", "0:-1"):
        assert "cuda-memory-pool" in error(f"--cuda-memory-pool-byte-size={bad_value}")


def test_response_cache() -> None:
    """4.6, O-59, O-71: 0 means that there is none."""
    assert parse().cache == CacheSettings()
    assert parse("--cache-config=local,size=1048576").cache == CacheSettings(1048576)
    twice = parse("--cache-config=local,size=2048", "--cache-config", "local,size=4096")
    assert twice.cache == CacheSettings(4096)
    old = parse("--response-cache-byte-size=2048")
    assert old.cache == CacheSettings(2048)
    assert "--response-cache-byte-size is deprecated: use --cache-config" in old.warnings
    assert any("--cache-directory" in line for line in parse("--cache-directory=/c").warnings)


def test_a_cache_in_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """4.6: settings come before the environment."""
    monkeypatch.delenv("TRITONCACHE_REDIS_USERNAME", raising=False)
    monkeypatch.delenv("TRITONCACHE_REDIS_PASSWORD", raising=False)
    assert parse("--cache-config=redis,host=h").cache == CacheSettings(redis=RedisSettings("h"))
    monkeypatch.setenv("TRITONCACHE_REDIS_USERNAME", "someone")
    monkeypatch.setenv("TRITONCACHE_REDIS_PASSWORD", "secret")
    options = {
        "host": "h",
        "port": "7000",
        "db": "2",
        "user": "me",
        "connect_timeout": "10",
        "socket_timeout": "20",
        "wait_timeout": "30",
    }
    cache = parse(*(f"--cache-config=redis,{key}={value}" for key, value in options.items())).cache
    assert cache.redis == RedisSettings("h", 7000, "me", "secret", 2, 10, 20, 30)
    assert "secret" not in repr(cache)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--cache-config=local,size=2048", "--cache-config=redis,host=h"),
            "found multiple cache configurations, but only a single cache is currently supported",
        ),
        (("--cache-config=redis,port=1",), "the cache 'redis' needs the setting 'host'"),
        (("--cache-config=redis,size=1",), "the cache 'redis' has no setting 'size', only "),
        (
            ("--cache-config=redis,host=h", "--cache-config=redis,tls_enabled=true"),
            "the cache 'redis' does not speak TLS, so it has no setting 'tls_enabled'",
        ),
        (
            ("--cache-config=redis,host=h", "--cache-config=redis,port=65536"),
            "'port' of the cache 'redis' is a number between 1 and 65535. Got 65536",
        ),
        (
            ("--cache-config=redis,host=h", "--cache-config=redis,wait_timeout=0"),
            "'wait_timeout' of the cache 'redis' is a number between 1 and 60000. Got 0",
        ),
        (("--cache-config=other,size=1",), "unable to find 'libtritoncache_other.so' for cache."),
        (("--cache-config=local,ttl=1",), "the cache 'local' has no setting 'ttl', only 'size'"),
        (("--cache-config=local,size=1k",), "is a number of bytes. Got 1k"),
        (("--cache-config=local,size=1023",), "has at least 1024 bytes. Got 1023"),
        (("--cache-config=local,size=" + "9" * 5000,), "is a number of bytes."),
        (("--response-cache-byte-size=1",), "has at least 1024 bytes. Got 1"),
        (
            ("--cache-config=local,size=2048", "--response-cache-byte-size=2048"),
            "both configure a response cache",
        ),
        (("--cache-config=size=2048",), "No cache specified. --cache-config option format is"),
    ],
)
def test_what_is_no_response_cache(arguments: tuple[str, ...], message: str) -> None:
    text = error(*arguments)
    assert text.startswith('Bad option: "--cache-config".\n')
    assert message in text


def test_polling() -> None:  # O-12, O-13, O-18
    settings = parse("--model-control-mode=POLL", "--repository-poll-secs=0.5")
    assert (settings.model_control_mode, settings.repository_poll_secs) == ("poll", 0.5)
    assert parse().repository_poll_secs == 15
    assert parse("--model-namespacing=true").model_namespacing


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("argument", ["--help", "-h", "--hel"])
def test_help(argument: str) -> None:
    with pytest.raises(HelpRequested):
        parse(argument)


@pytest.mark.parametrize("profile", list(Profile))
def test_help_describes_every_option(profile: Profile) -> None:
    lines = usage(profile).splitlines()
    assert max(len(line) for line in lines) <= 100
    described = {word for line in lines if line.startswith("  --") for word in line.split()}
    for option in ALL:
        assert {f"--{option.name}", f"--{option.name},"} & described, option.name
    assert f"Default: {default_settings(profile).http_address}." in usage(profile)
