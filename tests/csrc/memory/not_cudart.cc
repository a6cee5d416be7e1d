// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A library with one function of the CUDA runtime and not the others.
extern "C" __attribute__((visibility("default"))) int cudaHostAlloc(void**, unsigned long,
                                                                    unsigned) {
  return 999;
}
