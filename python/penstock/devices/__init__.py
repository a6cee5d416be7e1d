# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""What the machine has for models to run on: GPUs (`cuda`, `gpus`) and cores (`host_policy`)."""
