# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Real Triton beside Penstock: same models, same client, same run."""
