// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "door/framing_cases.h"
#include "door/router.h"

namespace penstock::door {
namespace {

RequestHead parsed(HeadResult& result, std::string_view text) {
  read_head(text, text.size(), result);
  EXPECT_TRUE(result.complete);
  EXPECT_EQ(result.error.status, 0) << result.error.text;
  return result.head;
}

TEST(ParseHead, ReadsWhatARequestSays) {
  HeadResult result;
  const RequestHead head = parsed(result,
                                  "POST /v2/models/m/infer?x=1 HTTP/1.1\r\nHost: h\r\n"
                                  "content-LENGTH: 12\r\nInference-Header-Content-Length: 7\r\n"
                                  "Accept-Encoding: gzip\r\nContent-Encoding: deflate\r\n"
                                  "Expect: 100-continue\r\n\r\n");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/v2/models/m/infer?x=1");
  EXPECT_EQ(head.path, "/v2/models/m/infer");
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_EQ(head.header_length, "7");
  EXPECT_EQ(head.accept_encoding, "gzip");
  EXPECT_EQ(head.content_encoding, "deflate");
  EXPECT_EQ(head.expect, "100-continue");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.all().size(), 6u);
}

TEST(ParseHead, TakesThePathOfAnAbsoluteForm) {
  for (const auto& [target, path] :
       {std::pair{"http://other/v2?q", "/v2"}, std::pair{"HTTPS://other:80/v2/", "/v2/"},
        std::pair{"http://other", "/"}}) {
    HeadResult result;
    const std::string text = std::string("GET ") + target + " HTTP/1.1\r\nHost: h\r\n\r\n";
    EXPECT_EQ(parsed(result, text).path, path);
  }
}

TEST(ParseHead, KeepsTheConnectionAsItIsAsked) {
  const auto kept = [](const char* version, const char* field) {
    HeadResult result;
    return parsed(result, std::string("GET / HTTP/") + version + "\r\nHost: h\r\n" + field + "\r\n")
        .keep_alive;
  };
  EXPECT_TRUE(kept("1.1", ""));
  EXPECT_FALSE(kept("1.0", ""));
  EXPECT_TRUE(kept("1.0", "Connection: keep-alive\r\n"));
  EXPECT_FALSE(kept("1.1", "Connection: close\r\n"));
  EXPECT_FALSE(kept("1.1", "Connection: keep-alive, CLOSE\r\n"));
  EXPECT_FALSE(kept("1.1", "Connection: x\r\nConnection: close\r\n"));
  EXPECT_TRUE(kept("1.1", "Connection: closed\r\n"));
}

TEST(HeadScanner, FindsTheEndAndLeavesTheRest) {
  HeadScanner scanner;
  const std::string text = "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next";
  ASSERT_TRUE(scanner.scan(text, {}));
  EXPECT_EQ(scanner.begin(), 2u);
  EXPECT_EQ(text.substr(scanner.end()), "GET /next");
}

TEST(HeadScanner, RefusesALongTargetBeforeItEnds) {
  HeadScanner scanner;
  EXPECT_TRUE(scanner.scan("GET /" + std::string(9000, 'a'), {}));
  EXPECT_EQ(scanner.error().status, 414);
}

TEST(HeadScanner, RefusesManyOrLongFieldsBeforeTheyEnd) {
  const std::string line = "GET / HTTP/1.1\r\n";
  HeadScanner endless;
  EXPECT_TRUE(endless.scan(line + "A: " + std::string(42000, 'a'), {}));
  EXPECT_EQ(endless.error().status, 431);
  std::string many = line;
  for (int i = 0; i < 101; ++i) many += "A: b\r\n";
  HeadScanner scanner;
  EXPECT_TRUE(scanner.scan(many, {}));
  EXPECT_EQ(scanner.error().status, 431);
}

TEST(ParseHead, RefusesLongTargetsAndFieldsThatAreComplete) {
  HeadResult target;
  read_head("GET /" + std::string(8192, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 100000, target);
  EXPECT_EQ(target.error.status, 414);
  HeadResult fields;
  read_head("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(33000, 'a') + "\r\n\r\n", 100000,
            fields);
  EXPECT_EQ(fields.error.status, 431);
  HeadResult both;
  read_head("GET /" + std::string(8000, 'a') +
                " HTTP/1.1\r\nHost: h\r\nA: " + std::string(32000, 'a') + "\r\n\r\n",
            100000, both);
  EXPECT_EQ(both.error.status, 0);
}

// Each of these breaks two rules, or is just within one; the first byte that breaks one decides.
TEST(HeadScanner, DecidesAlikeHoweverTheBytesArrive) {
  const std::string line = "GET /" + std::string(8191, 'a') + " HTTP/1.1";
  const std::string method(32, 'M');
  const std::pair<std::string, int> cases[] = {
      {std::string("\0\n", 2), 400},
      {"GET /" + std::string(8300, 'a') + "\nHost: h\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nA: " + std::string(42000, 'a') + "\n\r\n", 431},
      {line + "\r\nA: " + std::string(32763, 'a') + "\r\n\r\n", 431},
      {method + " /" + std::string(8191, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 0},
  };
  for (const auto& [text, status] : cases) {
    HeadResult whole;
    read_head(text, text.size(), whole);
    EXPECT_EQ(whole.error.status, status) << text.substr(0, 20);
    EXPECT_EQ(whole.complete, status == 0);
    for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
      HeadResult result;
      read_head(text, step, result);
      EXPECT_EQ(result.error.status, status) << text.substr(0, 20);
      EXPECT_EQ(result.error.text, whole.error.text) << text.substr(0, 20);
      EXPECT_EQ(result.complete, whole.complete);
    }
  }
}

struct RouteCase {
  const char* method;
  const char* path;
  RouteKind kind;
  const char* model;
  const char* version;
};

const RouteCase kRoutes[] = {
    {"POST", "/v2/models/m/infer", RouteKind::kInfer, "m", ""},
    {"POST", "/v2/models/m/versions/3/infer", RouteKind::kInfer, "m", "3"},
    {"POST", "/v2/models/m%20/infer", RouteKind::kInfer, "m%20", ""},
    {"POST", "/v2/models/stats/infer", RouteKind::kInfer, "stats", ""},
    {"POST", "/v2/models/versions/versions/1/infer", RouteKind::kInfer, "versions", "1"},
    {"GET", "/v2/models/m/ready", RouteKind::kModelReady, "m", ""},
    {"GET", "/v2/models/m/versions/12/ready", RouteKind::kModelReady, "m", "12"},
    {"GET", "/v2/health/live", RouteKind::kServerLive, "", ""},
    {"GET", "/v2/health/ready", RouteKind::kServerReady, "", ""},
};

TEST(Route, FindsWhatIsAnsweredHere) {
  for (const RouteCase& c : kRoutes) {
    const Route found = route(c.method, c.path);
    EXPECT_EQ(found.kind, c.kind) << c.path;
    EXPECT_EQ(found.model, c.model) << c.path;
    EXPECT_EQ(found.version, c.version) << c.path;
  }
}

TEST(Route, PassesOnEverythingElse) {
  const std::pair<const char*, const char*> others[] = {
      {"GET", "/v2/models/m/infer"},
      {"post", "/v2/models/m/infer"},
      {"POST", "/v2/models//infer"},
      {"POST", "/v2/models/m/infer/"},
      {"POST", "/v2/models/m/versions/infer"},
      {"POST", "/v2/models/m/versions//infer"},
      {"POST", "/v2/models/m/versions/1a/infer"},
      {"POST", "/v2/models/m/versions/-1/infer"},
      {"POST", "/v2/models/m/n/infer"},
      {"POST", "//v2/models/m/infer"},
      {"POST", "/v2/models/m/INFER"},
      {"POST", "/v2/models/m/generate"},
      {"POST", "/v2/health/live"},
      {"HEAD", "/v2/health/live"},
      {"GET", "/v2/health/live/"},
      {"GET", "/v2/health/"},
      {"GET", "/v2"},
      {"GET", "/"},
      {"GET", ""},
      {"GET", "/v2/models/m"},
      {"GET", "/v2/models/ready"},
      {"OPTIONS", "*"},
      {"POST", "/v2/models/\303\251/infer"},
  };
  for (const auto& [method, path] : others) {
    EXPECT_EQ(route(method, path).kind, RouteKind::kPassOn) << method << " " << path;
  }
}

}  // namespace
}  // namespace penstock::door
