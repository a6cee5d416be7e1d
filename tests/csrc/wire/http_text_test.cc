// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Error bodies (1.0), Inference-Header-Content-Length (H-31) and versions (H-22).
#include "wire/wire_fixture.h"

namespace penstock::testing {
namespace {

TEST(HttpText, ErrorBody) {
  EXPECT_EQ(encode_http_error("no \"x\"\n"), R"({"error":"no \"x\"\n"})");
  EXPECT_EQ(encode_http_error(""), R"({"error":""})");
}

TEST(HttpText, HeaderLength) {
  EXPECT_EQ(parse_header_length("0", 10).value(), 0u);
  EXPECT_EQ(parse_header_length("10", 10).value(), 10u);
  EXPECT_EQ(parse_header_length("+7", 10).value(), 7u);
  EXPECT_STATUS(parse_header_length("11", 10).take_status(), kInvalidArg,
                "inference header size should be in range (0, 10), got: 11");
  EXPECT_STATUS(parse_header_length("-1", 10).take_status(), kInvalidArg,
                "inference header size should be in range (0, 10), got: -1");
  for (const char* bad : {"", "x", "1x", "+-1", "1.5", " 1", "0x10"}) {
    EXPECT_STATUS(parse_header_length(bad, 10).take_status(), kInvalidArg,
                  "Unable to parse Inference-Header-Content-Length, got: " + std::string(bad));
  }
  for (const char* far : {"2147483648", "-2147483649", "99999999999999999999"}) {
    EXPECT_STATUS(parse_header_length(far, 10).take_status(), kInvalidArg,
                  "Unable to parse Inference-Header-Content-Length, value is out of range [ "
                  "-2147483648, 2147483647 ], got: " +
                      std::string(far));
  }
}

TEST(HttpText, Deadline) {
  EXPECT_EQ(parse_deadline_ms("0").value(), 0u);
  EXPECT_EQ(parse_deadline_ms("1500").value(), 1500u);
  EXPECT_EQ(parse_deadline_ms("18446744073709551615").value(), UINT64_MAX);
  for (const char* bad : {"", "x", "1x", "-1", "+1", "1.5", " 1", "18446744073709551616"}) {
    EXPECT_STATUS(parse_deadline_ms(bad).take_status(), kInvalidArg,
                  "Unable to parse Penstock-Deadline-Ms, expected a whole number of milliseconds, "
                  "got: " +
                      std::string(bad));
  }
  const Status status = parse_deadline_ms(std::string(10'000, '9')).take_status();
  EXPECT_LT(status.message().size(), 200u);
}

TEST(HttpText, Version) {
  EXPECT_EQ(parse_version("").value(), -1);
  EXPECT_EQ(parse_version("0").value(), 0);
  EXPECT_EQ(parse_version("17").value(), 17);
  EXPECT_STATUS(parse_version("-1").take_status(), kInvalidArg,
                "invalid model version specified '-1' , version should be an integral value > 0");
  EXPECT_STATUS(parse_version("one").take_status(), kInvalidArg,
                "failed to get model version from specified version string 'one' (details: not an "
                "integer), version should be an integral value > 0");
  EXPECT_STATUS(parse_version("9223372036854775808").take_status(), kInvalidArg,
                "failed to get model version from specified version string '9223372036854775808' "
                "(details: out of range), version should be an integral value > 0");
}

}  // namespace
}  // namespace penstock::testing
