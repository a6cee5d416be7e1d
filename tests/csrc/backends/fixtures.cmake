# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# ONNX Runtime's library, for tests that run models; PENSTOCK_TEST_ORT_LIBRARY in the environment
# wins over what the project's virtual environment holds.
file(GLOB ort_library ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1*)
target_compile_definitions(test_backends PRIVATE PENSTOCK_DEFAULT_ORT_LIBRARY="${ort_library}")

add_library(old_ort MODULE ${CMAKE_CURRENT_LIST_DIR}/old_ort.cc)
add_dependencies(test_backends old_ort)
target_compile_definitions(test_backends PRIVATE PENSTOCK_OLD_ORT_LIBRARY="$<TARGET_FILE:old_ort>")

penstock_uses_fake_cudart(test_backends)
