# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""From --cache-config and --response-cache-byte-size to the cache that the server has (4.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

#: Below this no answer would ever fit.
MIN_BYTES: Final = 1024

_LOCAL = "local"
_REFUSED = {"redis": "redis caches are not available: answers are cached in the server's memory"}


def response_cache_bytes(config: Sequence[tuple[str, str, str]], byte_size: int) -> int:
    """The size of the local cache in bytes, 0 when there is none.

    `config`: (cache, setting, value) in the order given; `byte_size`: the deprecated option, 0 when
    it was not given. Raises ValueError with what is wrong.
    """
    names = {name for name, _, _ in config}
    if not names:
        return _checked(byte_size) if byte_size else 0
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
    if name in _REFUSED:
        raise ValueError(_REFUSED[name])
    if name != _LOCAL:
        raise ValueError(
            f"unable to find 'libtritoncache_{name}.so' for cache. Searched: what is built in, "
            f"'{_LOCAL}'"
        )
    return _local_bytes({setting: value for _, setting, value in config})


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
