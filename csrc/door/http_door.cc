// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "door/event_loop.h"
#include "door/http1_connection.h"
#include "door/http_context.h"
#include "door/listener.h"
#include "penstock/door.h"
#include "sync/request_thread.h"

namespace penstock {
namespace {

using namespace door;  // NOLINT: this file is the door's facade

constexpr const char* kRefusal =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 32\r\n"
    "Content-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
    R"({"error":"too many connections"})";

// Wakes those who wait for the door to become idle, or for its loops to end.
struct Progress {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t running = 0;

  void notify() {
    std::lock_guard lock(mutex);
    changed.notify_all();
  }
};

// One loop, its thread's memory. Kept alive by the thread, which may outlast the door while the
// core still holds a request of it.
struct LoopUnit {
  LoopUnit(std::shared_ptr<DoorShared> door, std::shared_ptr<Progress> told,
           const std::string& upstream_path)
      : shared(std::move(door)),
        progress(std::move(told)),
        loop(shared->engine->clock()),
        context(loop, *shared, upstream_path) {
    context.on_request_ended = [this] { progress->notify(); };
  }
  const std::shared_ptr<DoorShared> shared;
  const std::shared_ptr<Progress> progress;
  EventLoop loop;
  HttpContext context;
  Acceptor* acceptor = nullptr;  // until it is told to stop
};

void run_loop(const std::shared_ptr<LoopUnit>& unit) {
  begin_request_thread("http-door", {.when = GoesFirst::kWhileSmall});
  unit->loop.run();
  std::lock_guard lock(unit->progress->mutex);
  --unit->progress->running;
  unit->progress->changed.notify_all();
}

Status add_acceptor(LoopUnit& unit, int listener) {
  const int fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return unavailable(std::string("cannot listen: ") + std::strerror(errno));
  HttpContext& context = unit.context;
  auto acceptor = std::make_unique<Acceptor>(
      fd, unit.loop, unit.shared->slots, context.counters, kRefusal,
      [&context](int accepted) { return std::make_unique<Http1Connection>(accepted, context); });
  unit.acceptor = acceptor.get();
  if (!unit.loop.add(std::move(acceptor), true)) {
    return unavailable(std::string("cannot listen: ") + std::strerror(errno));
  }
  return {};
}

}  // namespace

struct HttpDoor::Impl {
  std::shared_ptr<DoorShared> shared;
  std::shared_ptr<Progress> progress = std::make_shared<Progress>();
  std::vector<std::shared_ptr<LoopUnit>> units;
  int listener = -1;
  bool stopped = false;

  // All that was begun has ended.
  [[nodiscard]] bool idle() const {
    for (const auto& unit : units) {
      const LoopCounters& counters = unit->context.counters;
      if (counters.requests_ended.get() != counters.requests_begun.get()) return false;
    }
    return true;
  }
  ~Impl() {
    if (listener >= 0) ::close(listener);
  }
};

HttpDoor::HttpDoor() : impl_(std::make_shared<Impl>()) {}

HttpDoor::~HttpDoor() { stop(0); }

Result<std::unique_ptr<HttpDoor>> HttpDoor::start(std::shared_ptr<Engine> engine,
                                                  HttpDoorOptions options) {
  std::unique_ptr<HttpDoor> door(new HttpDoor());
  Impl& impl = *door->impl_;
  impl.listener = options.listener;
  impl.shared = std::make_shared<DoorShared>(std::move(engine), options);
  for (std::uint32_t i = 0; i < std::max(options.threads, 1u); ++i) {
    auto unit = std::make_shared<LoopUnit>(impl.shared, impl.progress, options.upstream_path);
    PENSTOCK_RETURN_IF_ERROR(add_acceptor(*unit, impl.listener));
    impl.units.push_back(std::move(unit));
  }
  for (const auto& unit : impl.units) {
    {
      std::lock_guard lock(impl.progress->mutex);
      ++impl.progress->running;
    }
    // Detached: it ends by itself, at the latest when the core has answered its last request.
    std::thread([unit] { run_loop(unit); }).detach();
  }
  return door;
}

void HttpDoor::set_state(bool started, bool ready, bool exiting) {
  impl_->shared->state.set(started, ready, exiting);
}

void HttpDoor::stop_accepting() {
  if (impl_->listener < 0) return;
  ::close(std::exchange(impl_->listener, -1));
  for (const auto& unit : impl_->units) {
    unit->loop.post([unit] {
      if (Acceptor* acceptor = std::exchange(unit->acceptor, nullptr)) {
        unit->loop.close(*acceptor);
      }
    });
  }
}

bool HttpDoor::drain(std::int64_t timeout_ns) {
  // A loop that has run this sees the state that the caller set before, and tells of each end.
  for (const auto& unit : impl_->units) {
    unit->loop.post([progress = impl_->progress] { progress->notify(); });
  }
  Progress& progress = *impl_->progress;
  std::unique_lock lock(progress.mutex);
  return progress.changed.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                                   [&] { return impl_->idle(); });
}

void HttpDoor::stop(std::int64_t timeout_ns) {
  if (std::exchange(impl_->stopped, true) || !impl_->shared) return;
  impl_->shared->state.exiting.set(true);
  stop_accepting();
  (void)drain(timeout_ns);
  for (const auto& unit : impl_->units) unit->loop.stop();
  // The connections are closed in the loops' next round; a request that hangs in a model may keep a
  // loop without them, and the engine, for longer.
  Progress& progress = *impl_->progress;
  std::unique_lock lock(progress.mutex);
  (void)progress.changed.wait_for(lock, std::chrono::seconds(1),
                                  [&] { return progress.running == 0; });
}

HttpDoorCounters HttpDoor::counters() const {
  HttpDoorCounters sum;
  for (const auto& unit : impl_->units) {
    const LoopCounters& one = unit->context.counters;
    sum.connections_opened += one.connections_opened.get();
    sum.connections_closed += one.connections_closed.get();
    sum.requests_begun += one.requests_begun.get();
    sum.requests_ended += one.requests_ended.get();
    sum.inferences += one.inferences.get();
    sum.passed_on += one.passed_on.get();
    sum.refused += one.refused.get();
    sum.bytes_received += one.bytes_received.get();
    sum.bytes_sent += one.bytes_sent.get();
  }
  sum.in_flight_bytes = impl_->shared->budget.taken();
  return sum;
}

}  // namespace penstock
