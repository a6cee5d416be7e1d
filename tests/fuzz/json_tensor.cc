// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// The 'data' of a JSON input, for each datatype.
//
// Input: a byte for the datatype, a byte for the number of elements, the text of 'data'.
#include "echo.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace penstock;
  static fuzz::Echo echo;
  if (size < 2) return -1;
  const auto type = static_cast<DataType>(1 + data[0] % (kDataTypeCount - 1));
  const std::string name(data_type_name(type));
  std::string body = R"({"inputs":[{"name":")" + name + R"(","datatype":")" + name;
  body.append(R"(","shape":[)").append(std::to_string(data[1])).append(R"(],"data":)");
  body.append(fuzz::text_of(data + 2, size - 2)).append("}]}");
  echo.http(fuzz::Model::kEveryType, body, std::nullopt);
  return 0;
}
