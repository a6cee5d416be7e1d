# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# A CUDA runtime that obeys the test, so that what is done with GPUs is tested where there are none.
add_library(fake_cudart SHARED ${CMAKE_CURRENT_SOURCE_DIR}/../fakes/fake_cudart.cc)
target_link_libraries(fake_cudart PRIVATE penstock_flags Threads::Threads)
function(penstock_uses_fake_cudart test)
  add_dependencies(${test} fake_cudart)
  target_include_directories(${test} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/../fakes)
  target_compile_definitions(${test} PRIVATE PENSTOCK_FAKE_CUDART="$<TARGET_FILE:fake_cudart>")
  target_link_libraries(${test} PRIVATE ${CMAKE_DL_LIBS})
endfunction()
