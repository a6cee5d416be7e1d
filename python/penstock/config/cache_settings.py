# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From --cache-config and --response-cache-byte-size to the cache that the server has (4.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Below this no answer would ever fit.
MIN_BYTES: Final = 1024

_LOCAL = "local"
_REDIS = "redis"
#: of the time-outs, in milliseconds
_MAX_TIMEOUT_MS = 60_000
_TLS = ("tls_enabled", "cert", "key", "cacert", "cert_dir", "sni")


@dataclass(frozen=True)
class RedisSettings:
    """A Redis that keeps answers; times in milliseconds."""

    host: str
    port: int = 6379
    user: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    connect_timeout_ms: int = 1000
    socket_timeout_ms: int = 100
    wait_timeout_ms: int = 100


@dataclass(frozen=True)
class CacheSettings:
    """The response cache: in the server's memory, in a Redis, or none."""

    local_bytes: int = 0
    redis: RedisSettings | None = None


def cache_settings(
    config: Sequence[tuple[str, str, str]], byte_size: int, environment: Mapping[str, str]
) -> CacheSettings:
    """`config`: (cache, setting, value) in the order given; `byte_size`: the deprecated option, 0
    when it was not given. The environment has the user and the password of Redis, if the settings
    have not. Raises ValueError with what is wrong.
    """
    names = {name for name, _, _ in config}
    if not names:
        return CacheSettings(_checked(byte_size) if byte_size else 0)
    if byte_size:
        raise ValueError(
            "--response-cache-byte-size and --cache-config both configure a response cache, "
            "give one of them"
        )
    if len(names) > 1:
        raise ValueError(
            "found multiple cache configurations, but only a single cache is currently supported"
        )
    name = names.pop()
    settings = {setting: value for _, setting, value in config}
    if name == _REDIS:
        return CacheSettings(redis=_redis(settings, environment))
    if name != _LOCAL:
        raise ValueError(
            f"unable to find 'libtritoncache_{name}.so' for cache. Searched: what is built in, "
            f"'{_LOCAL}' and '{_REDIS}'"
        )
    return CacheSettings(_local_bytes(settings))


def _local_bytes(settings: Mapping[str, str]) -> int:
    for setting in settings:
        if setting != "size":
            raise ValueError(f"the cache '{_LOCAL}' has no setting '{setting}', only 'size'")
    text = settings["size"]
    # Python refuses to convert more than 4300 digits; such a number is out of bound anyway.
    if not text.isascii() or not text.isdecimal() or len(text) > 19:
        raise ValueError(f"the size of the cache '{_LOCAL}' is a number of bytes. Got {text}")
    return _checked(int(text))


def _checked(size: int) -> int:
    if not MIN_BYTES <= size < 2**63:
        raise ValueError(f"a response cache has at least {MIN_BYTES} bytes. Got {size}")
    return size


def _redis(settings: Mapping[str, str], environment: Mapping[str, str]) -> RedisSettings:
    known = {"host", "port", "user", "password", "db", *_TIMEOUTS}
    for setting in settings:
        if setting in _TLS:
            raise ValueError(
                f"the cache '{_REDIS}' does not speak TLS, so it has no setting '{setting}': let a "
                "proxy on this machine (stunnel, say) do that"
            )
        if setting not in known:
            raise ValueError(
                f"the cache '{_REDIS}' has no setting '{setting}', only {', '.join(sorted(known))}"
            )
    if not settings.get("host"):
        raise ValueError(f"the cache '{_REDIS}' needs the setting 'host'")
    return RedisSettings(
        host=settings["host"],
        port=_number(settings, "port", 1, 65535, RedisSettings.port),
        user=settings.get("user", environment.get("TRITONCACHE_REDIS_USERNAME", "")),
        password=settings.get("password", environment.get("TRITONCACHE_REDIS_PASSWORD", "")),
        db=_number(settings, "db", 0, 2**31 - 1, RedisSettings.db),
        **{
            f"{name}_ms": _number(settings, name, 1, _MAX_TIMEOUT_MS, default)
            for name, default in _TIMEOUTS.items()
        },
    )


#: setting -> default in milliseconds
_TIMEOUTS: Final = {
    "connect_timeout": RedisSettings.connect_timeout_ms,
    "socket_timeout": RedisSettings.socket_timeout_ms,
    "wait_timeout": RedisSettings.wait_timeout_ms,
}


def _number(settings: Mapping[str, str], name: str, low: int, high: int, default: int) -> int:
    text = settings.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or not low <= int(text) <= high:
        raise ValueError(
            f"'{name}' of the cache '{_REDIS}' is a number between {low} and {high}. Got {text}"
        )
    return int(text)
