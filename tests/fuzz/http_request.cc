// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The body of POST .../infer: JSON, JSON with binary tensors behind it, or one raw tensor.
//
// Input: a byte that chooses the model and the kind of body, two bytes for the length of its JSON
// (little-endian, used by the second kind), the body.
#include "echo.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock::fuzz;
  static Echo echo;
  constexpr std::size_t kHeadBytes = 3;
  if (size < kHeadBytes) return -1;
  const auto model = static_cast<Model>(data[0] >> 2 & 3);
  const std::string_view body = text_of(data + kHeadBytes, size - kHeadBytes);
  switch (data[0] & 3) {
    case 0:
      echo.http(model, body, std::nullopt);
      break;
    case 1:
      echo.http(model, body, data[1] | data[2] << 8);
      break;
    default:
      echo.http(model, body, 0);
  }
  return 0;
}
