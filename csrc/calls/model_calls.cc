// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/model_calls.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "calls/waits.h"
#include "sync/request_thread.h"

namespace penstock {
namespace {

// What a request's tensors point into.
struct OwnedMessage : Buffer {
  explicit OwnedMessage(std::vector<std::byte> taken) : bytes(std::move(taken)) {
    data = bytes.data();
    size_bytes = bytes.size();
    release = [](Buffer* buffer) noexcept { delete static_cast<OwnedMessage*>(buffer); };
  }
  std::vector<std::byte> bytes;
};

class Bell final : public Waker {
 public:
  void wake() noexcept override {
    {
      std::lock_guard lock(mutex_);
      rung_ = true;
    }
    changed_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

struct Call {
  std::shared_ptr<ModelCaller> caller;
  std::uint64_t id = 0;
  Request* request = nullptr;
  bool waits = false;                          // noted in Waits
  bool forgotten = false;                      // nobody is told
  bool cancelled = false;                      // only the end is told
  std::uint32_t window = ModelCalls::kWindow;  // answers that may be sent
  std::deque<Response*> held;                  // the calls' thread's
};

Status refused(const ModelCaller& caller, const ModelPlan& target) {
  return unavailable("An error occurred while performing BLS request. The call of model '" +
                     target.name + "' from model '" + caller.plan()->name +
                     "' would never be answered: all instances of '" + target.name +
                     "' wait for calls that wait for it. Give it more instances "
                     "(instance_group), or do not call it in a circle");
}

Status wants_many(const ModelPlan& target) {
  return unsupported("Model " + target.name +
                     " is using the decoupled. The current BLS request call doesn't support models "
                     "using the decoupled transaction policy. Please use 'decoupled=True' argument "
                     "to the 'exec' or 'async_exec' calls for decoupled models.");
}

}  // namespace

struct ModelCalls::Impl {
  using Key = std::pair<const ModelCaller*, std::uint64_t>;

  explicit Impl(Engine& the_engine) : engine(the_engine), waits(the_engine) {}

  Status decode(Request& request, ModelCall& call);
  Status start(Call& made, bool blocking);
  void end(Call& call);
  // ---- the calls' thread ----
  void run();
  void take(Response* response);
  void deliver(Call& call);
  [[nodiscard]] bool sendable(Call& call);
  void send(Call& call, Response* response, bool tell);
  void finish(Call* call);

  Engine& engine;
  Bell bell;
  CompletionRing ring{bell};
  GrpcCodec encoder{engine.pool()};  // the calls' thread's
  Reply reply;                       // and so is this
  std::mutex decode_mutex;
  GrpcCodec decoder{engine.pool()};  // under decode_mutex
  std::mutex mutex;                  // guards what follows
  std::map<Key, std::unique_ptr<Call>> calls;
  calls::Waits waits;
  std::vector<Key> wanted;  // their windows have opened
  bool ending = false;
  std::thread thread;
};

ModelCalls::ModelCalls(Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}

ModelCalls::~ModelCalls() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
    for (auto& [key, call] : impl_->calls) {
      call->forgotten = true;
      impl_->wanted.push_back(key);
      impl_->engine.cancel(call->request->handle());
    }
  }
  impl_->bell.wake();
  if (impl_->thread.joinable()) impl_->thread.join();
}

// ---------------------------------------------------------------- begin, cancel

Status ModelCalls::begin(const std::shared_ptr<ModelCaller>& caller, ModelCall call) {
  Impl& impl = *impl_;
  Request* request = impl.engine.acquire();
  if (request == nullptr) {
    return unavailable("too many requests in flight, raise --max-requests");
  }
  auto made = std::make_unique<Call>();
  made->caller = caller;
  made->id = call.id;
  made->request = request;
  const bool blocking = call.blocking;
  Status status = impl.decode(*request, call);
  if (status.ok()) {
    Call& started = *made;
    request->tag = &started;
    {
      std::lock_guard lock(impl.mutex);
      const auto first = impl.calls.lower_bound({caller.get(), 0});
      std::size_t open = 0;
      for (auto at = first; at != impl.calls.end() && at->first.first == caller.get(); ++at) ++open;
      const auto [place, fresh] = open < kMaxOpen && !impl.ending
                                      ? impl.calls.try_emplace({caller.get(), call.id})
                                      : std::pair(impl.calls.end(), false);
      if (fresh) {
        place->second = std::move(made);
        status = impl.start(started, blocking);
        if (!status.ok()) impl.end(started);
      } else {
        status = unavailable("too many calls of models are open: at most " +
                             std::to_string(kMaxOpen) + " at a time");
      }
    }
  }
  if (!status.ok()) impl.engine.release(request);
  return status;
}

Status ModelCalls::Impl::decode(Request& request, ModelCall& call) {
  request.completion = &ring;
  request.times.received = engine.clock().now_ns();
  const BufferLease owner = BufferLease::adopt(new OwnedMessage(std::move(call.message)));
  const ByteSpan bytes(owner->data, owner->size_bytes);
  std::lock_guard lock(decode_mutex);
  GrpcCodec::Target target;
  PENSTOCK_RETURN_IF_ERROR(decoder.peek(bytes, target));
  auto version = parse_version(target.version);
  if (!version.ok()) return version.take_status();
  PENSTOCK_RETURN_IF_ERROR(engine.bind(request, target.model, version.value()));
  if (request.plan().decoupled && !call.many) return wants_many(request.plan());
  PENSTOCK_RETURN_IF_ERROR(
      decoder.decode(bytes, owner, request, call.many ? Answers::kMany : Answers::kOne));
  request.frontend = TraceFrontend::kNone;
  request.nested = true;
  request.times.decoded = engine.clock().now_ns();
  engine.tracer().begin_child(call.trace, request);
  return {};
}

// Under the lock, so that nobody sees its answer, or ends it, before it is there.
Status ModelCalls::Impl::start(Call& made, bool blocking) {
  const ModelPlan& target = made.request->plan();
  if (blocking && made.caller->plan() != nullptr) {
    if (!waits.add(*made.caller, target)) return refused(*made.caller, target);
    made.waits = true;
  }
  if (!thread.joinable()) {
    thread = std::thread([this] {
      begin_request_thread("model-calls");
      run();
    });
  }
  return engine.submit(*made.request);
}

// Forgets the call, which is deleted; its request is the caller's to release.
void ModelCalls::Impl::end(Call& call) {
  if (call.waits) waits.remove(*call.caller, call.request->plan());
  calls.erase({call.caller.get(), call.id});
}

void ModelCalls::more(const ModelCaller& caller, std::uint64_t id) {
  {
    std::lock_guard lock(impl_->mutex);
    const auto found = impl_->calls.find({&caller, id});
    if (found == impl_->calls.end()) return;
    std::uint32_t& window = found->second->window;
    window = std::min(window + kMore, kWindow);
    impl_->wanted.push_back(found->first);
  }
  impl_->bell.wake();
}

void ModelCalls::cancel(const ModelCaller& caller, std::uint64_t id) {
  {
    std::lock_guard lock(impl_->mutex);
    const auto found = impl_->calls.find({&caller, id});
    if (found == impl_->calls.end()) return;
    found->second->cancelled = true;
    impl_->wanted.push_back(found->first);
    impl_->engine.cancel(found->second->request->handle());
  }
  impl_->bell.wake();
}

void ModelCalls::forget(const ModelCaller& caller) {
  {
    std::lock_guard lock(impl_->mutex);
    for (auto at = impl_->calls.lower_bound({&caller, 0});
         at != impl_->calls.end() && at->first.first == &caller; ++at) {
      at->second->forgotten = true;
      impl_->wanted.push_back(at->first);
      impl_->engine.cancel(at->second->request->handle());
    }
  }
  impl_->bell.wake();
}

std::size_t ModelCalls::open() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->calls.size();
}

// ---------------------------------------------------------------- answers

void ModelCalls::Impl::run() {
  for (;;) {
    ring.arm();
    CompletionNode* node = ring.take_all();
    while (node != nullptr) {
      auto* response = static_cast<Response*>(node);
      node = node->next;
      take(response);
    }
    std::vector<Call*> opened;
    {
      std::lock_guard lock(mutex);
      for (const Key& key : std::exchange(wanted, {})) {
        const auto found = calls.find(key);
        if (found != calls.end()) opened.push_back(found->second.get());
      }
      if (ending && calls.empty()) return;
    }
    for (std::size_t i = 0; i < opened.size(); ++i) {
      // Named twice, it may have ended with the first time.
      if (std::find(opened.begin(), opened.begin() + static_cast<std::ptrdiff_t>(i), opened[i]) ==
          opened.begin() + static_cast<std::ptrdiff_t>(i)) {
        deliver(*opened[i]);
      }
    }
    bell.wait();
  }
}

void ModelCalls::Impl::take(Response* response) {
  Call& call = *static_cast<Call*>(response->request->tag);
  call.held.push_back(response);
  deliver(call);
}

void ModelCalls::Impl::deliver(Call& call) {
  while (!call.held.empty() && sendable(call)) {
    Response* response = call.held.front();
    call.held.pop_front();
    const bool final = response->final;
    bool tell = false;
    {
      std::lock_guard lock(mutex);
      tell = !call.forgotten && !call.cancelled;
    }
    if (final) return finish(&call);
    send(call, response, tell);
    engine.release(response);
  }
}

bool ModelCalls::Impl::sendable(Call& call) {
  std::lock_guard lock(mutex);
  if (call.forgotten || call.cancelled) return true;
  if (call.window == 0) return false;
  --call.window;
  return true;
}

void ModelCalls::Impl::send(Call& call, Response* response, bool tell) {
  if (!tell) return;
  CallAnswer answer{call.id, response->status, nullptr, response->final};
  if (answer.status.ok() && !response->flags_only) {
    answer.status = encoder.encode(*response, reply);
    if (answer.status.ok()) answer.reply = &reply;
  }
  call.caller->answered(answer);
  reply.clear();
}

// The caller may go on, and call again, as soon as it is told: nothing waits any more then.
void ModelCalls::Impl::finish(Call* call) {
  std::unique_ptr<Call> owned;
  bool tell = false;
  {
    std::lock_guard lock(mutex);
    const auto found = calls.find({call->caller.get(), call->id});
    owned = std::move(found->second);
    tell = !owned->forgotten;
    end(*owned);
  }
  send(*owned, &owned->request->response, tell);
  engine.release(owned->request);
}

}  // namespace penstock
