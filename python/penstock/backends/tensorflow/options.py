# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What a configuration and --backend-config say to TensorFlow (contract 5.4)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.backends.framework import count_parameter
from penstock.backends.framework.availability import refuse_accelerators
from penstock.backends.interface import ModelContext
from penstock.errors import InvalidArgError

DEFAULT_TAG: Final = "serve"
_ACCELERATORS: Final = ("tensorrt", "auto_mixed_precision", "gpu_io")
_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")
#: operations of the instance's own thread only: TensorFlow's word for it
CALLERS_THREAD: Final = -1


@dataclass(frozen=True)
class SessionOptions:
    """Of one model's sessions."""

    #: of the pool inside an operation: one a process, whose size the first session decides
    intra_threads: int
    #: operations side by side; CALLERS_THREAD: one after the other, without a change of thread
    inter_threads: int
    #: whether that second pool is each session's own
    own_pool: bool
    soft_placement: bool
    tag: str
    #: empty: serving_default, or whatever signature there is
    signature: str
    #: instances that may use a session together; 0: all of them
    share_count: int
    init_ops: tuple[str, ...]


def session_options(context: ModelContext) -> SessionOptions:
    """Raises InvalidArgError for values that are not allowed, UnsupportedError for GPU settings.

    No pool is larger than the model's share of the machine.
    """
    refuse_accelerators("TensorFlow", context, _ACCELERATORS)
    _check_back_end_settings(context)
    share = max(1, context.cpu_share)
    inter = count_parameter(context, "TF_NUM_INTER_THREADS")
    return SessionOptions(
        intra_threads=min(count_parameter(context, "TF_NUM_INTRA_THREADS") or share, share),
        inter_threads=min(inter, share) if inter else CALLERS_THREAD,
        own_pool=_switch(context, "TF_USE_PER_SESSION_THREADS"),
        soft_placement=_setting_switch(context, "allow-soft-placement", default=True),
        tag=_text(context, "TF_GRAPH_TAG") or DEFAULT_TAG,
        signature=_text(context, "TF_SIGNATURE_DEF"),
        share_count=count_parameter(context, "MAX_SESSION_SHARE_COUNT"),
        init_ops=_init_ops(context),
    )


def _check_back_end_settings(context: ModelContext) -> None:
    settings = context.backend_config
    version = settings.get("version", "2")
    if version == "1":
        raise InvalidArgError(
            "starting from 23.04, Triton no longer supports Tensorflow 1. Please switch to "
            "Tensorflow 2."
        )
    if version != "2":
        raise InvalidArgError(f"unexpected TensorFlow library version '{version}', expects 2.")
    text = settings.get("gpu-memory-fraction", "0")
    try:
        fraction = float(text)
    except ValueError:
        fraction = math.nan
    if not 0.0 <= fraction <= 1.0:
        raise InvalidArgError(
            f"--backend-config=tensorflow,gpu-memory-fraction must be a number from 0 to 1, got "
            f"'{text}'"
        )


def _init_ops(context: ModelContext) -> tuple[str, ...]:
    """The operations that TF_INIT_OPS_FILE names; the version's file goes before the model's."""
    filename = _text(context, "TF_INIT_OPS_FILE")
    if not filename:
        return ()
    path = _find_beside(context, filename)
    try:
        names = json.loads(path.read_text(encoding="utf-8"))["init_ops"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidArgError(
            f"TF_INIT_OPS_FILE '{filename}' of model '{context.name}' has no list 'init_ops': "
            f"{error}"
        ) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidArgError(
            f"'init_ops' in TF_INIT_OPS_FILE '{filename}' of model '{context.name}' must be a list "
            f"of names"
        )
    return tuple(names)


def _find_beside(context: ModelContext, filename: str) -> Path:
    for folder in (context.version_dir, context.model_dir):
        path = (folder / filename).resolve()
        if path.is_relative_to(context.model_dir.resolve()) and path.is_file():
            return path
    raise InvalidArgError(
        f"unable to find TF_INIT_OPS_FILE '{filename}' in the directory of model '{context.name}'"
    )


def _text(context: ModelContext, name: str) -> str:
    parameters = context.config.parameters
    return parameters[name].string_value if name in parameters else ""


def _switch(context: ModelContext, name: str) -> bool:
    return _parse_switch(_text(context, name) or "0", f"parameter '{name}' of '{context.name}'")


def _setting_switch(context: ModelContext, name: str, *, default: bool) -> bool:
    text = context.backend_config.get(name, str(default))
    return _parse_switch(text, f"--backend-config=tensorflow,{name}")


def _parse_switch(text: str, name: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise InvalidArgError(f"{name} must be true or false, got '{text}'")
    return text.lower() in _TRUE
