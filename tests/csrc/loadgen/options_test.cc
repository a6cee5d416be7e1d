// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/options.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "load/report.h"

namespace penstock::load {
namespace {

Options parse(std::vector<std::string> words) {
  words.insert(words.begin(), "penstock_load");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return parse_options(static_cast<int>(words.size()), argv.data());
}

// The message of the refusal; empty: it was not refused.
std::string refusal(std::vector<std::string> words) {
  try {
    parse(std::move(words));
  } catch (const UsageError& error) {
    return error.what();
  }
  return {};
}

TEST(Options, HaveDefaults) {
  const Options options = parse({"--url", "127.0.0.1:8000"});
  EXPECT_EQ(options.host, "127.0.0.1");
  EXPECT_EQ(options.port, "8000");
  EXPECT_EQ(options.path, "/");
  EXPECT_EQ(options.duration_ns, 10'000'000'000);
  EXPECT_FALSE(options.body);
  EXPECT_EQ(options.rate_per_s, 0);
}

TEST(Options, AreRead) {
  const Options options =
      parse({"--unix=/a/b", "--connections=8", "--streams", "2", "--threads=4", "--rate=1e4",
             "--arrivals=poisson", "--duration=1.5", "--warmup=0.5", "--timeout=2", "--path=/v2",
             "--header=Inference-Header-Content-Length: 12", "--header", "X:y"});
  EXPECT_EQ(options.unix_path, "/a/b");
  EXPECT_EQ(options.connections, 8u);
  EXPECT_EQ(options.streams, 2u);
  EXPECT_EQ(options.threads, 4u);
  EXPECT_EQ(options.rate_per_s, 10'000);
  EXPECT_EQ(options.arrivals, ArrivalKind::kPoisson);
  EXPECT_EQ(options.duration_ns, 1'500'000'000);
  EXPECT_EQ(options.warmup_ns, 500'000'000);
  EXPECT_EQ(options.headers[0].first, "inference-header-content-length");
  EXPECT_EQ(options.headers[0].second, "12");
  EXPECT_EQ(options.headers[1].second, "y");
  EXPECT_EQ(parse({"--url=http://[::1]:80", "--requests=3"}).host, "::1");
  EXPECT_EQ(parse({"--url=a:80", "--requests=3"}).duration_ns, 0);
}

TEST(Options, MessagesAndCancellations) {
  const Options one = parse({"--url=a:80", "--protocol=grpc", "--message-file=/dev/null"});
  EXPECT_TRUE(one.more_messages.empty());
  EXPECT_EQ(one.cancelled_share, 0);
  EXPECT_EQ(one.mix, Mix::kRandom);
  EXPECT_EQ(one.replies, 1u);
  const Options more =
      parse({"--url=a:80", "--protocol=grpc", "--message-file=/dev/null",
             "--message-file=/dev/null", "--cancel=0.25", "--mix=stream", "--replies=100"});
  EXPECT_TRUE(more.body);
  EXPECT_EQ(more.more_messages.size(), 1u);
  EXPECT_EQ(more.cancelled_share, 0.25);
  EXPECT_EQ(more.mix, Mix::kStream);
  EXPECT_EQ(more.replies, 100u);
}

TEST(Options, ThatAreWrongAreNamed) {
  const std::string url = "--url=a:80";
  const struct {
    std::vector<std::string> words;
    std::string named;
  } cases[] = {
      {{}, "--url"},
      {{url, "--unix=/x"}, "--url"},
      {{"--url=a"}, "--url"},
      {{"--url=:80"}, "--url"},
      {{"--url=a:80000"}, "--url"},
      {{url, "--connections=0"}, "--connections"},
      {{url, "--connections=1x"}, "--connections"},
      {{url, "--streams=-1"}, "--streams"},
      {{url, "--threads=2"}, "--threads"},
      {{url, "--rate=nan"}, "--rate"},
      {{url, "--rate=0"}, "--rate"},
      {{url, "--duration=-1"}, "--duration"},
      {{url, "--duration=inf"}, "--duration"},
      {{url, "--timeout=0"}, "--timeout"},
      {{url, "--requests=0"}, "--requests"},
      {{url, "--requests=9", "--warmup=1"}, "--warmup"},
      {{url, "--arrivals=often"}, "--arrivals"},
      {{url, "--protocol=grpc"}, "--message-file"},
      {{url, "--protocol=h3"}, "--protocol"},
      {{url, "--cancel=0.1"}, "--cancel"},
      {{url, "--replies=2"}, "--replies"},
      {{url, "--mix=any"}, "--mix"},
      {{url, "--protocol=grpc", "--message-file=/dev/null", "--cancel=2"}, "--cancel"},
      {{url, "--header=none"}, "--header"},
      {{url, "--header=a: b\r\nc: d"}, "--header"},
      {{url, "--path=x"}, "--path"},
      {{url, "--path=/a b"}, "--path"},
      {{url, "--body-file=/no/such/file"}, "/no/such/file"},
      {{url, "--nonsense"}, "unknown"},
      {{url, "--rate"}, "value"},
      {{url, "more"}, "more"},
  };
  for (const auto& wrong : cases) {
    EXPECT_NE(refusal(wrong.words).find(wrong.named), std::string::npos)
        << wrong.named << ": " << refusal(wrong.words);
  }
}

TEST(Report, EscapesWhatAServerSaid) {
  Tally tally;
  tally.count(Outcome::kStatus, "a \"quote\", a \\ and \n\xff");
  const std::string text = report(Options{}, tally, 0);
  EXPECT_NE(text.find(R"("first_error": "status: a \"quote\", a \\ and \u000a\u00ff")"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"("status": 1)"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("requests_per_s": 0.000)"), std::string::npos) << text;
}

}  // namespace
}  // namespace penstock::load
