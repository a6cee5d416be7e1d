// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// One way of reading a head for all tests of it: as bytes arrive, then as a whole.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <string_view>

#include "door/http1_parser.h"

namespace penstock::door {

struct HeadCase {
  const char* name;
  std::string_view text;
  int status;  // 0: a valid head
};

inline void PrintTo(const HeadCase& c, std::ostream* out) { *out << c.name; }

struct HeadResult {
  bool complete = false;
  HttpError error;
  RequestHead head;
  std::string text;  // what the head borrows from
};

// `step` bytes at a time: the verdict may not depend on how the network cuts the bytes.
inline void read_head(std::string_view text, std::size_t step, HeadResult& result) {
  HeadScanner scanner;
  const HeadLimits limits;
  for (std::size_t size = 0; size < text.size();) {
    size = std::min(text.size(), size + step);
    if (!scanner.scan(text.substr(0, size), limits)) continue;
    result.error = scanner.error();
    if (result.error) return;
    result.complete = true;
    result.text = text.substr(scanner.begin(), scanner.end() - scanner.begin());
    result.error = parse_head(result.text, limits, result.head);
    return;
  }
}

inline std::string case_name(const ::testing::TestParamInfo<HeadCase>& info) {
  return info.param.name;
}

}  // namespace penstock::door
