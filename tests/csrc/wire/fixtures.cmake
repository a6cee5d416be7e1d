# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
penstock_uses_fake_cudart(test_wire)
