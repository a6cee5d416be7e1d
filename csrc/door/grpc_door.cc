// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/grpc_door.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "door/bounds.h"
#include "door/event_loop.h"
#include "door/grpc_connection.h"
#include "door/grpc_socket.h"
#include "door/grpc_upstream.h"
#include "door/listener.h"
#include "sync/request_thread.h"

namespace penstock {

struct GrpcDoor::Impl {
  // One loop and what it alone touches.
  struct Worker {
    explicit Worker(Impl& door);

    door::EventLoop loop;
    door::LoopCounters counters;
    door::GrpcContext context;
    door::GrpcUpstream upstream;
    door::Acceptor* acceptor = nullptr;
  };

  Impl(std::shared_ptr<Engine> served, GrpcDoorOptions chosen)
      : engine(std::move(served)),
        options(std::move(chosen)),
        budget(options.limits.max_in_flight_bytes),
        slots(options.limits.max_connections) {}

  [[nodiscard]] Status open();
  static void launch(const std::shared_ptr<Impl>& impl);
  void on_every_loop(const std::function<void(Worker&)>& task);
  template <typename Begun, typename Ended>
  [[nodiscard]] bool level(Begun begun, Ended ended) const;

  std::shared_ptr<Engine> engine;
  const GrpcDoorOptions options;
  door::GrpcState state;
  door::ByteBudget budget;
  door::ConnectionSlots slots;
  door::EndSignal ended;
  std::vector<std::unique_ptr<Worker>> workers;
  std::atomic<std::uint32_t> running{0};  // threads
  std::atomic<bool> closing{false};       // stop_accepting() was called
  std::atomic<bool> stopped{false};
};

GrpcDoor::Impl::Worker::Worker(Impl& door)
    : loop(door.engine->clock()),
      context(*door.engine, loop, door.options, door.state, door.budget, counters, door.ended),
      upstream(loop, door.options.upstream_path) {
  if (!door.options.upstream_path.empty()) context.upstream = &upstream;
}

// Every loop accepts, on a descriptor of its own of the same socket.
Status GrpcDoor::Impl::open() {
  for (std::uint32_t i = 0; i < options.threads; ++i) {
    const int fd = fcntl(options.listener, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return unavailable(std::string("cannot listen: ") + std::strerror(errno));
    workers.push_back(std::make_unique<Worker>(*this));
    Worker& worker = *workers.back();
    auto make = [this, &worker](int accepted) {
      auto socket = std::make_unique<door::GrpcSocket>(accepted, worker.context, slots);
      return socket;
    };
    auto acceptor = std::make_unique<door::Acceptor>(fd, worker.loop, slots, worker.counters,
                                                     std::string(), std::move(make));
    worker.acceptor = acceptor.get();
    if (!worker.loop.add(std::move(acceptor), options.threads > 1)) {
      return unavailable("cannot listen: the system refuses to watch the socket");
    }
  }
  return {};
}

// A thread ends by itself, at the latest when the core has answered its last request, which may be
// after the door is gone: so it holds what it runs on.
void GrpcDoor::Impl::launch(const std::shared_ptr<Impl>& impl) {
  for (auto& worker : impl->workers) {
    impl->running.fetch_add(1);
    std::thread thread([impl, loop = &worker->loop] {
      begin_request_thread("grpc-door", {.when = GoesFirst::kWhileSmall});
      loop->run();
      impl->running.fetch_sub(1);
      impl->ended.notify();
    });
    thread.detach();
  }
}

void GrpcDoor::Impl::on_every_loop(const std::function<void(Worker&)>& task) {
  for (auto& worker : workers) {
    worker->loop.post([task, target = worker.get()] { task(*target); });
  }
}

template <typename Begun, typename Ended>
bool GrpcDoor::Impl::level(Begun begun, Ended ended_count) const {
  for (const auto& worker : workers) {
    if (begun(worker->counters) != ended_count(worker->counters)) return false;
  }
  return true;
}

GrpcDoor::GrpcDoor() = default;

GrpcDoor::~GrpcDoor() {
  if (impl_) stop(0);
}

Result<std::unique_ptr<GrpcDoor>> GrpcDoor::start(std::shared_ptr<Engine> engine,
                                                  GrpcDoorOptions options) {
  std::unique_ptr<GrpcDoor> door(new GrpcDoor);
  const int listener = options.listener;
  try {
    door->impl_ = std::make_shared<Impl>(std::move(engine), std::move(options));
    Status status = door->impl_->open();
    ::close(listener);
    if (!status.ok()) return status;
    Impl::launch(door->impl_);
  } catch (const std::system_error& error) {
    return unavailable(std::string("cannot start the gRPC threads: ") + error.what());
  }
  return door;
}

void GrpcDoor::set_state(bool started, bool ready, bool exiting) {
  impl_->state.started.store(started);
  impl_->state.ready.store(ready);
  impl_->state.exiting.store(exiting);
}

void GrpcDoor::stop_accepting() {
  if (impl_->state.refusing.exchange(true)) return;
  impl_->on_every_loop([](Impl::Worker& worker) {
    worker.loop.close(*worker.acceptor);
    for (door::GrpcSocket* socket : worker.context.sockets) socket->drain();
    worker.context.ended.notify();  // what ended before this loop knew is told now
  });
}

bool GrpcDoor::drain(std::int64_t timeout_ns) {
  stop_accepting();
  return impl_->ended.wait(timeout_ns, [this] {
    return impl_->level([](const auto& c) { return c.requests_begun.get(); },
                        [](const auto& c) { return c.requests_ended.get(); });
  });
}

void GrpcDoor::stop(std::int64_t timeout_ns) {
  if (impl_->stopped.exchange(true)) return;
  stop_accepting();
  if (timeout_ns > 0) {
    impl_->on_every_loop([](Impl::Worker& worker) {
      for (door::GrpcSocket* socket : worker.context.sockets) socket->end();
    });
    (void)impl_->ended.wait(timeout_ns, [this] {
      return impl_->level([](const auto& c) { return c.connections_opened.get(); },
                          [](const auto& c) { return c.connections_closed.get(); });
    });
  }
  for (auto& worker : impl_->workers) worker->loop.stop();
  constexpr std::int64_t kLeastNs = 1'000'000'000;  // a model that is executing may take longer
  (void)impl_->ended.wait(std::max(timeout_ns, kLeastNs),
                          [this] { return impl_->running.load() == 0; });
}

GrpcDoorCounters GrpcDoor::counters() const {
  GrpcDoorCounters out;
  for (const auto& worker : impl_->workers) {
    const door::LoopCounters& counters = worker->counters;
    out.connections_opened += counters.connections_opened.get();
    out.connections_closed += counters.connections_closed.get();
    out.calls_begun += counters.requests_begun.get();
    out.calls_ended += counters.requests_ended.get();
    out.inferences += counters.inferences.get();
    out.passed_on += counters.passed_on.get();
    out.refused += counters.refused.get();
    out.bytes_received += counters.bytes_received.get();
    out.bytes_sent += counters.bytes_sent.get();
  }
  out.in_flight_bytes = impl_->budget.taken();
  return out;
}

}  // namespace penstock
