# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Execution environments of models in worker processes: archives, folders, requirements (5.1)."""
