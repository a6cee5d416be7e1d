// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "loadgen/scripted_server.h"

namespace penstock::load {
namespace {

using namespace std::string_literals;

constexpr std::int64_t kMs = 1'000'000;
const std::string kMessage = "\0\0\0\0\5hello"s;

std::uint64_t count(const Tally& tally, Outcome outcome) {
  return tally.outcomes[static_cast<std::size_t>(outcome)];
}

// What a server answers every call with.
struct Reply {
  std::string http_status = "200";
  std::string data = kMessage;
  std::string grpc_status = "0";  // empty: no trailers
  std::uint32_t reset = 0;        // the stream is reset with this instead
  bool status_is_length = false;  // of the request's message
  bool silent = false;
  int calls_a_connection = 1 << 30;  // then GOAWAY
};

nghttp2_nv field(const char* name, const std::string& value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), std::strlen(name),
          value.size(), NGHTTP2_NV_FLAG_NONE};
}

// A server's end of a connection.
class Conversation {
 public:
  Conversation(Reply reply, int fd) : reply_(std::move(reply)), fd_(fd) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
          auto& own = static_cast<Conversation*>(self)->reply_;
          if (frame->hd.type == NGHTTP2_DATA && own.status_is_length) {
            own.grpc_status = std::to_string(frame->hd.length);
          }
          if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            static_cast<Conversation*>(self)->answer(frame->hd.stream_id);
          }
          return 0;
        });
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Conversation() { nghttp2_session_del(session_); }

  void serve() {
    std::vector<std::uint8_t> bytes(65'536);
    while (nghttp2_session_want_read(session_) != 0) {
      const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (size <= 0 || nghttp2_session_mem_recv(session_, bytes.data(), size) < 0) return;
      const std::uint8_t* out = nullptr;
      for (ssize_t count; (count = nghttp2_session_mem_send(session_, &out)) > 0;) {
        send_all(fd_, {reinterpret_cast<const char*>(out), static_cast<std::size_t>(count)});
      }
    }
  }

 private:
  void answer(std::int32_t stream) {
    if (reply_.silent) return;
    if (++calls_ == reply_.calls_a_connection) {
      nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_NO_ERROR, nullptr, 0);
    }
    if (reply_.reset != 0) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, reply_.reset);
      return;
    }
    const nghttp2_nv head = field(":status", reply_.http_status);
    nghttp2_data_provider provider;
    provider.source.ptr = this;
    provider.read_callback = [](nghttp2_session* session, std::int32_t id, std::uint8_t* into,
                                std::size_t, std::uint32_t* flags, nghttp2_data_source* source,
                                void*) -> ssize_t {
      const Reply& reply = static_cast<Conversation*>(source->ptr)->reply_;
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!reply.grpc_status.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const nghttp2_nv trailer = field("grpc-status", reply.grpc_status);
        nghttp2_submit_trailer(session, id, &trailer, 1);
      }
      std::memcpy(into, reply.data.data(), reply.data.size());
      return static_cast<ssize_t>(reply.data.size());
    };
    nghttp2_submit_response(session_, stream, &head, 1, &provider);
  }

  Reply reply_;
  int fd_;
  int calls_ = 0;
  nghttp2_session* session_ = nullptr;
};

Options grpc_options(const ScriptedServer& server, std::uint64_t requests) {
  Options options = options_for(server, requests);
  options.protocol = Protocol::kGrpc;
  options.path = "/a.B/C";
  options.body = "question";
  options.expected = "hello";
  return options;
}

Tally run_against(const Reply& reply, std::uint64_t requests, unsigned streams,
                  int* accepted = nullptr) {
  ScriptedServer server([&](int, int fd) { Conversation(reply, fd).serve(); });
  Options options = grpc_options(server, requests);
  options.streams = streams;
  options.timeout_ns = 200 * kMs;
  const Tally tally = run_load(options);
  if (accepted != nullptr) *accepted = server.accepted();
  return tally;
}

TEST(GrpcLoad, CountsEveryCallOnce) {
  int accepted = 0;
  const Tally tally = run_against({}, 1'000, 8, &accepted);
  EXPECT_EQ(tally.answered(), 1'000u);
  EXPECT_EQ(tally.failed(), 0u) << tally.first_error;
  EXPECT_EQ(tally.latency.count(), 1'000u);
  EXPECT_EQ(accepted, 1);
}

TEST(GrpcLoad, CancelsSomeAndCountsThemApart) {
  ScriptedServer server([&](int, int fd) { Conversation({}, fd).serve(); });
  Options options = grpc_options(server, 2'000);
  options.streams = 8;
  options.cancelled_share = 0.5;
  const Tally tally = run_load(options);
  EXPECT_EQ(tally.failed(), 0u) << tally.first_error;
  EXPECT_EQ(tally.answered() + tally.cancelled(), 2'000u);
  EXPECT_GT(tally.cancelled(), 100u);
  EXPECT_GT(tally.answered(), 100u);
}

// Each message has its own length, by which the server answers.
TEST(GrpcLoad, SendsAnyOfItsMessages) {
  Reply reply;
  reply.status_is_length = true;
  ScriptedServer server([&](int, int fd) { Conversation(reply, fd).serve(); });
  Options options = grpc_options(server, 300);
  options.body = "a";
  options.more_messages = {"ab", "abc"};
  const Tally tally = run_load(options);
  ASSERT_EQ(tally.statuses.size(), 3u);
  std::uint64_t sum = 0;
  for (const auto& [text, times] : tally.statuses) {
    EXPECT_GT(times, 50u) << text;
    sum += times;
  }
  EXPECT_EQ(sum, 300u);
  EXPECT_TRUE(tally.statuses.contains("gRPC 7, "));  // with the five bytes before it
}

TEST(GrpcLoad, EachStreamKeepsToItsMessage) {
  Reply reply;
  reply.status_is_length = true;
  ScriptedServer server([&](int, int fd) { Conversation(reply, fd).serve(); });
  Options options = grpc_options(server, 100);
  options.streams = 2;
  options.mix = Mix::kStream;
  options.body = "a";
  options.more_messages = {"ab", "never sent"};
  const Tally tally = run_load(options);
  EXPECT_EQ(tally.statuses.size(), 2u);
  EXPECT_TRUE(tally.statuses.contains("gRPC 6, "));
  EXPECT_TRUE(tally.statuses.contains("gRPC 7, "));
}

TEST(GrpcLoad, RepliesOfSeveralMessages) {
  Reply reply;
  reply.data = kMessage + kMessage + kMessage;
  ScriptedServer server([&](int, int fd) { Conversation(reply, fd).serve(); });
  Options options = grpc_options(server, 20);
  options.replies = 3;
  EXPECT_EQ(run_load(options).answered(), 20u);
}

TEST(GrpcLoad, ConnectsAnewAfterAGoaway) {
  int accepted = 0;
  Reply reply;
  reply.calls_a_connection = 5;
  const Tally tally = run_against(reply, 20, 1, &accepted);
  EXPECT_EQ(tally.answered(), 20u) << tally.first_error;
  EXPECT_EQ(accepted, 4);
}

struct BadReply {
  const char* name;
  Reply reply;
  Outcome outcome;
};

class GrpcLoadBadReply : public testing::TestWithParam<BadReply> {};

TEST_P(GrpcLoadBadReply, IsCountedByItsKind) {
  const Tally tally = run_against(GetParam().reply, 20, 4);
  EXPECT_EQ(count(tally, GetParam().outcome), 20u) << tally.first_error;
  EXPECT_EQ(tally.answered(), 0u);
  EXPECT_EQ(tally.failed(), 20u);
}

INSTANTIATE_TEST_SUITE_P(
    Server, GrpcLoadBadReply,
    testing::Values(BadReply{"Status", {.grpc_status = "14"}, Outcome::kStatus},
                    BadReply{"HttpStatus", {.http_status = "404"}, Outcome::kStatus},
                    BadReply{"NoStatus", {.grpc_status = ""}, Outcome::kMalformed},
                    BadReply{"StatusThatIsNoNumber", {.grpc_status = "ok"}, Outcome::kMalformed},
                    BadReply{"NoMessage", {.data = ""}, Outcome::kMalformed},
                    BadReply{"HalfAMessage", {.data = kMessage.substr(0, 7)}, Outcome::kMalformed},
                    BadReply{"TwoMessages", {.data = kMessage + kMessage}, Outcome::kMalformed},
                    BadReply{"Compressed", {.data = "\1\0\0\0\0"s}, Outcome::kMalformed},
                    BadReply{"Other", {.data = "\0\0\0\0\5hallo"s}, Outcome::kWrong},
                    BadReply{"Reset", {.reset = NGHTTP2_REFUSED_STREAM}, Outcome::kClosed},
                    BadReply{"Silence", {.silent = true}, Outcome::kTimeout}),
    [](const auto& info) { return info.param.name; });

TEST(GrpcLoad, CountsAServerThatIsNoHttp2) {
  ScriptedServer server([](int, int fd) {
    char bytes[4096];
    if (::recv(fd, bytes, sizeof bytes, 0) > 0) send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    ignore(fd);
  });
  const Tally tally = run_load(grpc_options(server, 3));
  EXPECT_EQ(count(tally, Outcome::kMalformed), 3u) << tally.first_error;
}

TEST(GrpcLoad, CountsAConnectionThatEnds) {
  ScriptedServer server([](int, int fd) {
    char bytes[4096];
    [[maybe_unused]] const ssize_t size = ::recv(fd, bytes, sizeof bytes, 0);
  });
  const Tally tally = run_load(grpc_options(server, 3));
  EXPECT_EQ(count(tally, Outcome::kClosed), 3u) << tally.first_error;
}

}  // namespace
}  // namespace penstock::load
