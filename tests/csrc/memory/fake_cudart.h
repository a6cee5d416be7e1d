// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What the tests and the CUDA runtime of the tests share. The test reaches `fake_cudart_state` in
// the library it opened by dlsym. Not for several threads.
#pragma once

struct FakeCudartState {
  int device_count_error = 0;  // what cudaGetDeviceCount answers
  int device_count = 1;
  int host_alloc_error = 0;  // what cudaHostAlloc answers
  unsigned last_flags = 0;
  unsigned long live_blocks = 0;
};
