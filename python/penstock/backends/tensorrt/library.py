# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""TensorRT's Python bindings: the full ones where they are installed, else the lean runtime.

Nothing here may be called on a machine without a GPU: TensorRT ends the process there.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
from collections import deque
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from penstock.backends.framework.availability import not_installed
from penstock.errors import InvalidArgError
from penstock.types import DataType

_LOGGER = logging.getLogger(__name__)

#: Both have the same names inside; the lean one runs version-compatible engines only.
_PACKAGES: Final = ("tensorrt", "tensorrt_lean")
_DATA_TYPES: Final = {
    "FLOAT": DataType.FP32,
    "HALF": DataType.FP16,
    "BF16": DataType.BF16,
    "INT8": DataType.INT8,
    "INT32": DataType.INT32,
    "INT64": DataType.INT64,
    "UINT8": DataType.UINT8,
    "BOOL": DataType.BOOL,
}
_MAX_WORDS: Final = 4


def open_bindings() -> ModuleType:
    """Raises UnsupportedError, naming the extra, when neither is installed."""
    failure: ImportError | None = None
    for package in _PACKAGES:
        try:
            return importlib.import_module(package)
        except ModuleNotFoundError as error:
            failure = failure or error
        except ImportError as error:
            failure = error
    assert failure is not None
    raise not_installed("TensorRT", "tensorrt", failure)


def data_type_of(trt_type: Any) -> DataType:
    """INVALID for what the protocol cannot carry, such as FP8 and INT4."""
    return _DATA_TYPES.get(trt_type.name, DataType.INVALID)


def load_plugins(bindings: ModuleType, log: Any, setting: str) -> None:
    """`--backend-config=tensorrt,plugins=a.so;b.so`, and TensorRT's own where it has them.

    Raises InvalidArgError for a library that cannot be opened.
    """
    for name in filter(None, setting.split(";")):
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise InvalidArgError(
                f"--backend-config=tensorrt,plugins: '{Path(name).name}' cannot be opened: {error}"
            ) from None
    register = getattr(bindings, "init_libnvinfer_plugins", None)
    if register is not None:
        register(log, "")


def make_log(bindings: ModuleType) -> Any:
    """An ILogger that hands messages to the server's log, and keeps errors in `words`."""
    severities = bindings.ILogger.Severity
    levels = {
        severities.INTERNAL_ERROR: logging.ERROR,
        severities.ERROR: logging.ERROR,
        severities.WARNING: logging.WARNING,
    }

    class Log(bindings.ILogger):  # type: ignore[misc, name-defined]
        """TensorRT says what is wrong here, and returns None or False."""

        def __init__(self) -> None:
            bindings.ILogger.__init__(self)
            self.words: deque[str] = deque(maxlen=_MAX_WORDS)

        def log(self, severity: Any, message: str) -> None:
            """Called by TensorRT on any thread."""
            level = levels.get(severity, logging.DEBUG)
            if level == logging.ERROR:
                self.words.append(message.strip())
            _LOGGER.log(level, "TensorRT: %s", message.strip())

        def take_words(self) -> str:
            """What was said since the last call."""
            said = "; ".join(self.words)
            self.words.clear()
            return said or "TensorRT gives no reason"

    return Log()
