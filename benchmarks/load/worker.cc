// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "load/worker.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "load/http_connection.h"

namespace penstock::load {
namespace {

// How often time-outs are looked at, and lost connections are tried again.
constexpr std::int64_t kSweepNs = 50'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

}  // namespace

Target::Target(const Options& chosen) : options(chosen), address(chosen) {
  if (chosen.protocol == Protocol::kHttp) {
    http = http_request(chosen, address.authority());
  } else {
    grpc = std::make_unique<GrpcRequest>(chosen, address.authority());
  }
}

Worker::Worker(const Target& target, unsigned thread)
    : state_(target.options, target.address, thread) {
  state_.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (state_.epoll_fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  // Arrivals are microseconds apart; the kernel would group wake-ups within 50.
  prctl(PR_SET_TIMERSLACK, 1);
  const Options& options = target.options;
  const unsigned count =
      options.connections / options.threads + (thread < options.connections % options.threads);
  for (unsigned i = 0; i < count; ++i) {
    if (target.grpc) {
      connections_.push_back(
          std::make_unique<GrpcConnection>(state_, *target.grpc, i * options.threads + thread));
    } else {
      connections_.push_back(std::make_unique<HttpConnection>(state_, target.http));
    }
  }
}

Worker::~Worker() {
  connections_.clear();
  ::close(state_.epoll_fd);
}

void Worker::connect() {
  const std::int64_t deadline = now_ns() + state_.options.timeout_ns;
  for (const auto& connection : connections_) {
    // One after the other, so that no listener's backlog overflows.
    bool begun = connection->connect(now_ns());
    while (begun && !connection->connected() && connection->problem().empty()) {
      if (now_ns() >= deadline) begun = false;
      wait(deadline);
    }
    if (!connection->connected()) {
      const std::string why = connection->problem().empty() ? "timed out" : connection->problem();
      throw std::runtime_error("cannot connect to " + state_.address.authority() + ": " + why);
    }
  }
}

void Worker::run(std::int64_t start_ns) {
  state_.pacer.begin(start_ns);
  state_.running = true;
  for (const auto& connection : connections_) connection->fill(now_ns());
  std::int64_t next_sweep = start_ns + kSweepNs;
  bool measuring = false;
  while (true) {
    const std::int64_t now = now_ns();
    if (!measuring && now >= state_.pacer.measured_from_ns()) {
      measuring = true;
      begin_measuring();
    }
    if (state_.in_flight == 0 && state_.pacer.over(now)) break;
    start_due(now);
    if (now >= next_sweep) {
      next_sweep = now + kSweepNs;
      sweep(now);
    }
    wait(std::min(next_sweep, state_.idle.empty() ? kNever : state_.pacer.next_due_ns()));
  }
  finish();
}

void Worker::wait(std::int64_t until_ns) {
  const std::int64_t left = std::max<std::int64_t>(0, until_ns - now_ns());
  const timespec time{static_cast<time_t>(left / kSecond), static_cast<long>(left % kSecond)};
  std::array<epoll_event, 256> events;
  const int count = epoll_pwait2(state_.epoll_fd, events.data(), events.size(), &time, nullptr);
  if (count < 0 && errno != EINTR) {
    throw std::system_error(errno, std::generic_category(), "epoll_pwait2");
  }
  for (int i = 0; i < count; ++i) {
    static_cast<Connection*>(events[i].data.ptr)->on_event(events[i].events);
  }
}

void Worker::start_due(std::int64_t now) {
  while (!state_.idle.empty() && state_.pacer.next_due_ns() <= now && !state_.pacer.over(now)) {
    Connection& connection = *state_.idle.front();
    state_.idle.pop_front();
    connection.in_idle_list = false;
    connection.start_one(now);
  }
}

void Worker::sweep(std::int64_t now) {
  for (const auto& connection : connections_) {
    connection->sweep(now, now - state_.options.timeout_ns);
  }
}

void Worker::begin_measuring() {
  state_.tally.bytes_sent = 0;
  state_.tally.bytes_received = 0;
  cpu_before_ns_ = thread_cpu_ns();
}

void Worker::finish() {
  Tally& tally = state_.tally;
  tally.cpu_ns = thread_cpu_ns() - cpu_before_ns_;
  for (auto left = state_.pacer.expired(); left > 0; --left) {
    tally.count(Outcome::kTimeout, "no stream was free in time");
  }
  for (auto left = state_.pacer.count_unsent(); left > 0; --left) {
    tally.count(Outcome::kUnsent, "no stream was free until the end");
  }
}

}  // namespace penstock::load
