// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/grpc_upstream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "door/grpc_connection.h"
#include "door/grpc_socket.h"

namespace penstock::door {
namespace {

PassedStream& passed_of(H2Stream& stream) { return static_cast<PassedStream&>(stream); }

H2Limits link_limits() {
  H2Limits limits;
  limits.stream_window_bytes = 1 << 20;  // a client that does not read holds as much here
  limits.max_header_bytes = 64 << 10;    // our own server: error texts may be long
  return limits;
}

// A copy that the queue of the other side can hold.
bool push_copy(BufferPool& pool, H2SendQueue& queue, ByteSpan bytes) {
  if (bytes.empty()) return true;
  BufferLease lease = pool.acquire(bytes.size());
  if (!lease) return false;
  std::memcpy(lease->data, bytes.data(), bytes.size());
  queue.push({lease->data, bytes.size()}, lease);
  return true;
}

// Nothing of what the client has sent is passed on any more.
void drop_queue(PassedStream& stream) {
  stream.queue().clear();
  stream.connection->budget().give_back(std::exchange(stream.charged, 0));
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return -1;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

// The connection to the upstream; gone when it breaks, and its calls with it.
class GrpcUpstreamLink final : public Handler, private H2Events {
 public:
  GrpcUpstreamLink(int fd, GrpcUpstream& upstream)
      : Handler(fd),
        upstream_(upstream),
        session_(H2Session::Role::kClient, *this, link_limits()) {}

  bool open(GrpcConnection& connection, GrpcCall& call, bool end);
  [[nodiscard]] H2Session& session() { return session_; }
  [[nodiscard]] bool usable() const { return !leaving_ && !closed(); }
  void wake() { upstream_.loop_.defer(*this); }

  void on_events(Events events) override;
  void on_turn() override;
  void on_close() override;

 private:
  H2Stream* on_opened() override { return nullptr; }  // a server pushes nothing
  void on_field(H2Stream& stream, std::string_view name, std::string_view value) override;
  void on_headers(H2Stream& stream, bool trailers, bool end) override;
  void on_data(H2Stream& stream, ByteSpan bytes) override;
  void on_end(H2Stream& stream) override;
  void on_sent(H2Stream& stream) override;
  void on_closed(H2Stream& stream, H2Error error) override;
  void on_goaway() override { leaving_ = true; }

  void detach(PassedStream& stream);

  GrpcUpstream& upstream_;
  H2Session session_;
  H2Output output_;
  std::vector<std::unique_ptr<PassedStream>> streams_;
  std::vector<H2Field> fields_;  // scratch
  bool leaving_ = false;         // takes no new streams
};

bool GrpcUpstreamLink::open(GrpcConnection& connection, GrpcCall& call, bool end) {
  auto stream = std::make_unique<PassedStream>();
  stream->link = this;
  stream->call = &call;
  stream->connection = &connection;
  call.head.fields.list(fields_);
  if (!session_.request(*stream, fields_, end)) return false;
  call.passed = stream.get();
  stream->index = streams_.size();
  streams_.push_back(std::move(stream));
  wake();
  return true;
}

void GrpcUpstreamLink::on_events(Events events) {
  if (events.readable) {
    std::size_t received = 0;
    bool alive = read_input(fd(), upstream_.landing_.plan({}), received);
    for (const ByteSpan piece : upstream_.landing_.land(received)) {
      alive = alive && session_.receive(piece);
    }
    if (!alive) return upstream_.loop_.close(*this);
  } else if (events.hung_up) {
    return upstream_.loop_.close(*this);
  }
  wake();
}

void GrpcUpstreamLink::on_turn() {
  std::uint64_t sent = 0;
  do {
    session_.send(output_);
    if (output_.empty()) break;
    if (!write_output(fd(), output_, sent)) return upstream_.loop_.close(*this);
  } while (output_.empty() && session_.wants_send());
  upstream_.loop_.watch(*this, true, !output_.empty());
  if (output_.empty() && session_.over()) upstream_.loop_.close(*this);
}

void GrpcUpstreamLink::on_close() {
  if (upstream_.link_ == this) upstream_.link_ = nullptr;
  while (!streams_.empty()) {
    PassedStream& stream = *streams_.back();
    if (stream.call != nullptr) {
      GrpcCall& call = *stream.call;
      detach(stream);
      stream.connection->fail(call, GrpcStatus::kUnavailable, "the control plane does not answer");
      stream.connection->wake();
    }
    streams_.pop_back();
  }
}

void GrpcUpstreamLink::on_field(H2Stream& stream, std::string_view name, std::string_view value) {
  passed_of(stream).fields.add(name, value);
}

void GrpcUpstreamLink::on_headers(H2Stream& stream, bool trailers, bool end) {
  PassedStream& passed = passed_of(stream);
  if (trailers || passed.call == nullptr) return;  // trailers: on_end() follows
  GrpcCall& call = *passed.call;
  passed.fields.list(fields_);
  call.head_sent = true;
  passed.connection->session().respond(call, fields_, end);
  passed.connection->wake();
  passed.fields.clear();
  if (end) detach(passed);
}

void GrpcUpstreamLink::on_data(H2Stream& stream, ByteSpan bytes) {
  PassedStream& passed = passed_of(stream);
  session_.consume_connection(bytes.size());
  if (passed.call == nullptr) return;
  passed.unconsumed += bytes.size();
  if (!push_copy(passed.connection->pool(), passed.call->queue(), bytes)) {
    return session_.reset(stream, H2Error::kInternal);
  }
  passed.connection->session().queued(*passed.call, false);
  passed.connection->wake();
}

void GrpcUpstreamLink::on_end(H2Stream& stream) {
  PassedStream& passed = passed_of(stream);
  if (passed.call == nullptr) return;
  GrpcCall& call = *passed.call;
  std::swap(call.trailers, passed.fields);
  GrpcConnection& connection = *passed.connection;
  detach(passed);
  connection.session().queued(call, true);
  connection.wake();
}

// The answer is complete: what remains to be sent is the call's own.
void GrpcUpstreamLink::detach(PassedStream& stream) {
  GrpcCall& call = *std::exchange(stream.call, nullptr);
  call.passed = nullptr;
  call.answered = true;
  if (call.unconsumed > 0) {
    stream.connection->session().consume_stream(call, std::exchange(call.unconsumed, 0));
  }
  drop_queue(stream);
  if (!call.ended) session_.reset(stream, H2Error::kNone);
}

// What the upstream took, the client may send again.
void GrpcUpstreamLink::on_sent(H2Stream& stream) {
  PassedStream& passed = passed_of(stream);
  if (passed.call == nullptr) return;
  GrpcCall& call = *passed.call;
  const std::size_t left = stream.queue().size_bytes();
  passed.connection->budget().give_back(std::exchange(passed.charged, left) - left);
  if (call.unconsumed <= left) return;
  passed.connection->session().consume_stream(call, call.unconsumed - left);
  call.unconsumed = left;
  passed.connection->wake();
}

void GrpcUpstreamLink::on_closed(H2Stream& stream, H2Error error) {
  PassedStream& passed = passed_of(stream);
  if (passed.call != nullptr) {
    GrpcCall& call = *passed.call;
    detach(passed);
    passed.connection->session().reset(call, error == H2Error::kNone ? H2Error::kInternal : error);
    passed.connection->wake();
  }
  const std::size_t index = passed.index;
  if (index + 1 != streams_.size()) {
    streams_[index] = std::move(streams_.back());
    streams_[index]->index = index;
  }
  streams_.pop_back();
}

GrpcUpstream::GrpcUpstream(EventLoop& loop, std::string path)
    : loop_(loop), path_(std::move(path)) {}

bool GrpcUpstream::connect() {
  if (link_ != nullptr && link_->usable()) return true;
  const int fd = connect_unix(path_);
  if (fd < 0) return false;
  auto link = std::make_unique<GrpcUpstreamLink>(fd, *this);
  GrpcUpstreamLink* made = link.get();
  if (!loop_.add(std::move(link))) return false;
  link_ = made;
  return true;
}

bool GrpcUpstream::begin(GrpcConnection& connection, GrpcCall& call, bool end) {
  return connect() && link_->open(connection, call, end);
}

void GrpcUpstream::data(GrpcCall& call, ByteSpan bytes) {
  PassedStream& stream = *call.passed;
  GrpcConnection& connection = *stream.connection;
  H2Session& session = stream.link->session();
  if (!connection.budget().try_take(bytes.size())) {
    cancel(call);
    return connection.fail(call, GrpcStatus::kUnavailable,
                           "too many bytes in flight, try again later");
  }
  stream.charged += bytes.size();
  if (!push_copy(connection.pool(), stream.queue(), bytes)) {
    cancel(call);
    return connection.fail(call, GrpcStatus::kUnavailable, "not enough memory");
  }
  session.queued(stream, false);
  stream.link->wake();
}

void GrpcUpstream::end(GrpcCall& call) {
  call.passed->link->session().queued(*call.passed, true);
  call.passed->link->wake();
}

void GrpcUpstream::sent(GrpcCall& call) {
  PassedStream& stream = *call.passed;
  const std::size_t left = call.queue().size_bytes();
  if (stream.unconsumed <= left) return;
  stream.link->session().consume_stream(stream, stream.unconsumed - left);
  stream.unconsumed = left;
  stream.link->wake();
}

void GrpcUpstream::cancel(GrpcCall& call) {
  PassedStream& stream = *std::exchange(call.passed, nullptr);
  stream.call = nullptr;
  drop_queue(stream);
  stream.link->session().reset(stream, H2Error::kCancel);
  stream.link->wake();
}

}  // namespace penstock::door
