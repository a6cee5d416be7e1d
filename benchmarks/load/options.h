// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// Options: what a run of the load generator sends, where, how fast and for how long.
//
// parse_options() throws UsageError, which names the option, and reads the files that are named.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace penstock::load {

enum class Protocol { kHttp, kGrpc };
enum class ArrivalKind { kConstant, kPoisson };
enum class Mix { kRandom, kStream };

class UsageError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

struct Options {
  std::string host;  // with port: TCP; empty: unix_path
  std::string port;
  std::string unix_path;
  Protocol protocol = Protocol::kHttp;
  unsigned connections = 1;
  unsigned streams = 1;  // in flight on each connection; over HTTP/1.1 these are pipelined
  unsigned threads = 1;

  double rate_per_s = 0;  // 0: closed loop
  ArrivalKind arrivals = ArrivalKind::kConstant;
  std::int64_t duration_ns = 0;  // 0: until `requests` are done
  std::int64_t warmup_ns = 0;    // sent, but not counted
  std::int64_t timeout_ns = 10'000'000'000;
  std::uint64_t requests = 0;  // 0: as many as `duration_ns` has time for
  bool hold = false;           // keep the connections open until standard input ends

  std::string path;  // HTTP: of the URL; gRPC: /package.Service/Method
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::string> body;         // HTTP: none is a GET; gRPC: the message
  std::vector<std::string> more_messages;  // gRPC: each call sends one of these or the body
  Mix mix = Mix::kRandom;                  // which of them
  unsigned replies = 1;                    // gRPC: messages of each reply
  double cancelled_share = 0;              // gRPC: of the calls, cancelled at any moment
  std::optional<std::string> expected;     // the reply's body or message, to the last bit
};

Options parse_options(int argc, char** argv);
// What --help prints.
const char* usage();

}  // namespace penstock::load
