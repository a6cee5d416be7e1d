# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
"""Protocol messages: `inference_pb2`, `model_config_pb2` and `health_pb2`.

Use them as any generated module: `from penstock._proto import model_config_pb2`. All but this file
and `_pool` is generated from protos/ by protos/generate.py.
"""
