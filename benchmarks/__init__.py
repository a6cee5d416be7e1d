# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What Penstock costs, measured: `python -m benchmarks` writes the tables of docs/benchmarks.md."""
