# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""The back end `python`: runs `model.py` files written for Triton."""

from .backend import PythonBackend

__all__ = ["PythonBackend"]
