# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# Beside the CUDA runtime of the tests a library that is none.
add_library(not_cudart SHARED memory/not_cudart.cc)
target_link_libraries(not_cudart PRIVATE penstock_flags)
add_dependencies(test_memory not_cudart)
target_compile_definitions(test_memory PRIVATE PENSTOCK_NOT_CUDART="$<TARGET_FILE:not_cudart>")
penstock_uses_fake_cudart(test_memory)
