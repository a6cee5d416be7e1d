# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `pytorch` (contract 5.3). Importing it imports PyTorch."""

from penstock.backends.framework.availability import not_installed

try:
    from .backend import PytorchBackend
except ImportError as error:
    raise not_installed("PyTorch", "torch", error) from error

__all__ = ["PytorchBackend"]
