// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/chunked_body.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>

namespace penstock::door {
namespace {

using namespace std::string_view_literals;

struct Decoded {
  std::string body;
  int status = 0;
  bool done = false;
  std::string rest;
};

Decoded decode(std::string_view text, std::size_t step) {
  ChunkedDecoder decoder;
  Decoded result;
  while (!text.empty()) {
    std::string_view part = text.substr(0, step);
    const std::size_t size = part.size();
    std::string_view payload;
    switch (decoder.step(part, payload)) {
      case ChunkedDecoder::Step::kPayload:
        result.body += payload;
        break;
      case ChunkedDecoder::Step::kError:
        result.status = decoder.error().status;
        return result;
      case ChunkedDecoder::Step::kDone:
        result.done = true;
        result.rest = text.substr(size - part.size());
        return result;
      case ChunkedDecoder::Step::kMore:
        break;
    }
    text.remove_prefix(size - part.size());
  }
  return result;
}

struct ChunkCase {
  const char* name;
  std::string_view text;
  std::string_view body;
  int status = 0;
};

void PrintTo(const ChunkCase& c, std::ostream* out) { *out << c.name; }

const ChunkCase kCases[] = {
    {"empty", "0\r\n\r\n", ""},
    {"one", "5\r\nhello\r\n0\r\n\r\n", "hello"},
    {"two", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
    {"upper_case_hex", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
    {"lower_case_hex", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
    {"leading_zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello"},
    {"crlf_in_data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"},
    {"extension", "5;a=b\r\nhello\r\n0;x\r\n\r\n", "hello"},
    {"quoted_extension", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", "hello"},
    {"trailer", "5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n", "hello"},
    {"no_digits", "\r\nhello\r\n", "", 400},
    {"plus", "+5\r\nhello\r\n", "", 400},
    {"minus", "-5\r\nhello\r\n", "", 400},
    {"prefix", "0x5\r\nhello\r\n", "", 400},
    {"underscore", "5_0\r\nhello\r\n", "", 400},
    {"letter", "g\r\nhello\r\n", "", 400},
    {"space_before", " 5\r\nhello\r\n", "", 400},
    {"space_after", "5 \r\nhello\r\n", "", 400},
    {"space_before_extension", "5 ;a\r\nhello\r\n", "", 400},
    {"tab_after", "5\t\r\nhello\r\n", "", 400},
    {"bare_lf_after_size", "5\nhello\r\n", "", 400},
    {"bare_cr_after_size", "5\rhello\r\n", "", 400},
    {"cr_in_extension", "5;a\rb\r\nhello\r\n", "", 400},
    {"lf_in_extension", "5;a\nb\r\nhello\r\n", "", 400},
    {"nul_in_extension", "5;\0\r\nhello\r\n"sv, "", 400},
    {"two_to_the_63", "8000000000000000\r\n", "", 400},
    {"two_to_the_64", "10000000000000000\r\n", "", 400},
    {"wraps_to_five", "10000000000000005\r\nhello\r\n", "", 400},
    {"many_zeros", "00000000000000005\r\nhello\r\n", "", 400},
    {"data_too_long", "5\r\nhello!\r\n0\r\n\r\n", "hello", 400},
    {"data_too_short", "5\r\nhell\r\n0\r\n\r\n", "hell\r", 400},
    {"bare_lf_after_data", "5\r\nhello\n0\r\n\r\n", "hello", 400},
    {"bare_cr_after_data", "5\r\nhello\r0\r\n\r\n", "hello", 400},
    {"no_end_of_data", "5\r\nhello5\r\nhello\r\n", "hello", 400},
    {"bare_lf_at_end", "0\r\n\n", "", 400},
    {"lf_only", "5\nhello\n0\n\n", "", 400},
    {"folded_trailer", "0\r\nA: b\r\n c\r\n\r\n", "", 400},
    {"trailer_without_name", "0\r\n: b\r\n\r\n", "", 400},
    {"trailer_without_colon", "0\r\nGET\r\n\r\n", "", 400},
    {"trailer_space_before_colon", "0\r\nA : b\r\n\r\n", "", 400},
    {"trailer_bare_lf", "0\r\nA: b\n\r\n", "", 400},
    {"trailer_nul", "0\r\nA: \0\r\n\r\n"sv, "", 400},
    {"request_instead_of_trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", "", 400},
};

class Chunked : public ::testing::TestWithParam<ChunkCase> {};

TEST_P(Chunked, IsTheSameHoweverTheBytesArrive) {
  const ChunkCase& c = GetParam();
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, c.text.size()}) {
    const Decoded result = decode(c.text, step);
    EXPECT_EQ(result.status, c.status) << "step " << step;
    EXPECT_EQ(result.done, c.status == 0);
    if (c.status == 0) {
      EXPECT_EQ(result.body, c.body);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Bodies, Chunked, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(ChunkedDecoder, LeavesTheNextMessage) {
  const Decoded result = decode("2\r\nok\r\n0\r\n\r\nGET / HTTP/1.1\r\n", 1000);
  EXPECT_TRUE(result.done);
  EXPECT_EQ(result.rest, "GET / HTTP/1.1\r\n");
}

TEST(ChunkedDecoder, CountsChunksThatHoldSomething) {  // H-27
  std::string text;
  for (int i = 0; i < 65536; ++i) text += "1\r\nx\r\n";
  EXPECT_EQ(decode(text + "0\r\n\r\n", text.size() + 5).body.size(), 65536u);
  ChunkedDecoder decoder;
  const std::string more = text + "1\r\nx\r\n";
  std::string_view input = more;
  std::string_view payload;
  auto step = ChunkedDecoder::Step::kPayload;
  while (step == ChunkedDecoder::Step::kPayload) step = decoder.step(input, payload);
  EXPECT_EQ(step, ChunkedDecoder::Step::kError);
  EXPECT_EQ(decoder.error().text,
            "Chunked request body exceeds maximum of 65536 non-empty chunks. "
            "Send fewer or larger HTTP chunks.");
}

TEST(ChunkedDecoder, BoundsExtensionsAndTrailers) {
  EXPECT_EQ(decode("5;" + std::string(1100, 'a'), 64).status, 400);
  EXPECT_EQ(decode("0\r\nA: " + std::string(9000, 'a'), 64).status, 431);
}

}  // namespace
}  // namespace penstock::door
