# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# A CUDA runtime that obeys the test, so that pinned memory is tested on machines without a GPU, and
# a library that is none.
add_library(fake_cudart SHARED memory/fake_cudart.cc)
target_link_libraries(fake_cudart PRIVATE penstock_flags)
add_library(not_cudart SHARED memory/not_cudart.cc)
target_link_libraries(not_cudart PRIVATE penstock_flags)
add_dependencies(test_memory fake_cudart not_cudart)
target_compile_definitions(test_memory PRIVATE
  PENSTOCK_FAKE_CUDART="$<TARGET_FILE:fake_cudart>"
  PENSTOCK_NOT_CUDART="$<TARGET_FILE:not_cudart>")
target_link_libraries(test_memory PRIVATE ${CMAKE_DL_LIBS})
