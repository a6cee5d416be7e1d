// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/options.h"

#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>

namespace penstock::load {
namespace {

constexpr const char* kUsage = R"(penstock_load: HTTP/1.1 and gRPC load, as JSON on standard output

  --url HOST:PORT        the server, or
  --unix PATH            its Unix socket
  --protocol http|grpc   (http)
  --connections N        (1)
  --streams N            in flight on each connection; HTTP: pipelined (1)
  --threads N            each with its own event loop and share of the connections (1)

  --rate R               open loop: R requests a second, latency from when each was due;
                         without it a closed loop: the next request when a reply has come
  --arrivals constant|poisson   of an open loop (constant)
  --duration S           seconds that are counted (10, unless --requests is given)
  --warmup S             seconds before them (0)
  --requests N           exactly so many
  --timeout S            for each request, from when it was due (10)
  --hold                 after the report, keep the connections until standard input ends

  --path PATH            HTTP (/)
  --method PATH          gRPC (/inference.GRPCInferenceService/ModelInfer)
  --header 'NAME: VALUE' any number of times
  --body-file FILE       HTTP: POST this; without it GET
  --message-file FILE    gRPC: the request message; given several times, each call sends one of
                         them
  --mix HOW              random, or stream: each stream always sends the same one (random)
  --replies N            gRPC: messages that each call is answered with (1)
  --cancel SHARE         gRPC: of the calls are cancelled, each at a random moment (0)
  --expect-file FILE     the reply's body or each message; any other is counted as
                         wrong

Exit status: 0 all requests were answered well, 1 some were not, 2 nothing could be sent.
)";

constexpr unsigned kMostConnections = 1'000'000;
constexpr unsigned kMostStreams = 10'000;
constexpr unsigned kMostReplies = 1'000'000;
constexpr unsigned kMostThreads = 1'024;
constexpr double kMostSeconds = 1e6;
constexpr double kMostRate = 1e8;

[[noreturn]] void reject(std::string_view option, std::string_view text, std::string_view wanted) {
  throw UsageError(std::string(option) + ": '" + std::string(text) + "' is not " +
                   std::string(wanted));
}

template <typename Number>
Number number(std::string_view option, std::string_view text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= least) ||
      !(value <= most)) {
    char wanted[96];
    std::snprintf(wanted, sizeof wanted, "a number from %g to %g", static_cast<double>(least),
                  static_cast<double>(most));
    reject(option, text, wanted);
  }
  return value;
}

std::int64_t nanoseconds(std::string_view option, std::string_view text) {
  return std::llround(number(option, text, 0.0, kMostSeconds) * 1e9);
}

std::string file(std::string_view option, const char* path) {
  std::ifstream stream(path, std::ios::binary);
  std::string content{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) throw UsageError(std::string(option) + ": cannot read " + path);
  return content;
}

void set_address(Options& options, std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) reject("--url", text, "HOST:PORT");
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  options.host = host;
  options.port = rest.substr(colon + 1);
  number("--url", std::string_view(options.port), 1u, 65535u);
}

std::pair<std::string, std::string> header(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 ||
      text.find_first_of("\r\n") != std::string_view::npos) {
    reject("--header", text, "'NAME: VALUE'");
  }
  std::string name(text.substr(0, colon));
  // HTTP/2 has lower-case names only, and HTTP/1.1 does not mind.
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto value = text.find_first_not_of(' ', colon + 1);
  return {name, value == std::string_view::npos ? "" : std::string(text.substr(value))};
}

template <typename Enum>
Enum choice(std::string_view option, std::string_view text, std::string_view first, Enum one,
            std::string_view second, Enum other) {
  if (text == first) return one;
  if (text == second) return other;
  reject(option, text, std::string(first) + " or " + std::string(second));
}

enum Letter : int {
  kUrl = 1,
  kUnix,
  kProtocol,
  kConnections,
  kStreams,
  kThreads,
  kRate,
  kArrivals,
  kDuration,
  kWarmup,
  kRequests,
  kTimeout,
  kHold,
  kPath,
  kMethod,
  kHeader,
  kBodyFile,
  kMessageFile,
  kMix,
  kReplies,
  kCancel,
  kExpectFile,
};

constexpr option kOptions[] = {
    {"url", required_argument, nullptr, kUrl},
    {"unix", required_argument, nullptr, kUnix},
    {"protocol", required_argument, nullptr, kProtocol},
    {"connections", required_argument, nullptr, kConnections},
    {"streams", required_argument, nullptr, kStreams},
    {"threads", required_argument, nullptr, kThreads},
    {"rate", required_argument, nullptr, kRate},
    {"arrivals", required_argument, nullptr, kArrivals},
    {"duration", required_argument, nullptr, kDuration},
    {"warmup", required_argument, nullptr, kWarmup},
    {"requests", required_argument, nullptr, kRequests},
    {"timeout", required_argument, nullptr, kTimeout},
    {"hold", no_argument, nullptr, kHold},
    {"path", required_argument, nullptr, kPath},
    {"method", required_argument, nullptr, kMethod},
    {"header", required_argument, nullptr, kHeader},
    {"body-file", required_argument, nullptr, kBodyFile},
    {"message-file", required_argument, nullptr, kMessageFile},
    {"mix", required_argument, nullptr, kMix},
    {"replies", required_argument, nullptr, kReplies},
    {"cancel", required_argument, nullptr, kCancel},
    {"expect-file", required_argument, nullptr, kExpectFile},
    {nullptr, 0, nullptr, 0},
};

// What is sent and to whom. False: another option.
bool set_request(Options& options, int letter, const char* text) {
  switch (letter) {
    case kUrl:
      set_address(options, text);
      return true;
    case kUnix:
      options.unix_path = text;
      return true;
    case kProtocol:
      options.protocol =
          choice("--protocol", text, "http", Protocol::kHttp, "grpc", Protocol::kGrpc);
      return true;
    case kPath:
    case kMethod:
      options.path = text;
      return true;
    case kHeader:
      options.headers.push_back(header(text));
      return true;
    case kBodyFile:
      options.body = file("--body-file", text);
      return true;
    case kMessageFile:
      if (options.body) {
        options.more_messages.push_back(file("--message-file", text));
      } else {
        options.body = file("--message-file", text);
      }
      return true;
    case kMix:
      options.mix = choice("--mix", text, "random", Mix::kRandom, "stream", Mix::kStream);
      return true;
    case kReplies:
      options.replies = number("--replies", text, 1u, kMostReplies);
      return true;
    case kExpectFile:
      options.expected = file("--expect-file", text);
      return true;
    default:
      return false;
  }
}

// How much and how fast.
void set_load(Options& options, int letter, const char* text) {
  switch (letter) {
    case kConnections:
      options.connections = number("--connections", text, 1u, kMostConnections);
      break;
    case kStreams:
      options.streams = number("--streams", text, 1u, kMostStreams);
      break;
    case kThreads:
      options.threads = number("--threads", text, 1u, kMostThreads);
      break;
    case kRate:
      options.rate_per_s = number("--rate", text, 1e-3, kMostRate);
      break;
    case kArrivals:
      options.arrivals = choice("--arrivals", text, "constant", ArrivalKind::kConstant, "poisson",
                                ArrivalKind::kPoisson);
      break;
    case kDuration:
      options.duration_ns = nanoseconds("--duration", text);
      break;
    case kWarmup:
      options.warmup_ns = nanoseconds("--warmup", text);
      break;
    case kRequests:
      options.requests = number<std::uint64_t>("--requests", text, 1, 1'000'000'000'000);
      break;
    case kTimeout:
      options.timeout_ns = nanoseconds("--timeout", text);
      break;
    case kCancel:
      options.cancelled_share = number("--cancel", text, 0.0, 1.0);
      break;
    case kHold:
      options.hold = true;
      break;
    default:
      throw UsageError("unknown option, or one that lacks its value; see --help");
  }
}

// What only makes sense together; and what is not given.
void complete(Options& options) {
  if (options.host.empty() == options.unix_path.empty()) {
    throw UsageError("give one of --url and --unix");
  }
  if (options.protocol == Protocol::kGrpc && !options.body) {
    throw UsageError("--protocol grpc needs --message-file");
  }
  if (options.protocol == Protocol::kHttp &&
      (options.cancelled_share > 0 || options.replies > 1 || !options.more_messages.empty())) {
    throw UsageError("--cancel, --replies, --message-file: of gRPC only");
  }
  if (options.requests > 0 && options.warmup_ns > 0) {
    throw UsageError("--warmup goes with --duration, not with --requests");
  }
  if (options.threads > options.connections) {
    throw UsageError("--threads: more than --connections");
  }
  if (options.timeout_ns == 0) throw UsageError("--timeout: must be more than 0");
  if (options.requests == 0 && options.duration_ns == 0) options.duration_ns = 10'000'000'000;
  if (options.path.empty()) {
    options.path =
        options.protocol == Protocol::kHttp ? "/" : "/inference.GRPCInferenceService/ModelInfer";
  }
  if (options.path.front() != '/' || options.path.find_first_of(" \r\n") != std::string::npos) {
    reject("--path, --method", options.path, "a path");
  }
}

}  // namespace

const char* usage() { return kUsage; }

Options parse_options(int argc, char** argv) {
  Options options;
  opterr = 0;
  optind = 0;  // a fresh start, also for a second call
  for (int letter; (letter = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (!set_request(options, letter, optarg)) set_load(options, letter, optarg);
  }
  if (optind < argc) throw UsageError(std::string("not an option: ") + argv[optind]);
  complete(options);
  return options;
}

}  // namespace penstock::load
