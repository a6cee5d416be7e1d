// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "penstock/engine.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "cache/local_cache.h"
#include "cache/redis_store.h"
#include "core/model_pin.h"
#include "core/model_table.h"
#include "core/served_model.h"
#include "core/waiting_room.h"
#include "request/request_pool.h"
#include "sync/short_work.h"

namespace penstock {
namespace {

constexpr const char* kStopping =
    "Server is stopping, scheduler for model has stopped accepting new inference requests";

std::shared_ptr<ServedModel> served(const ModelVersionRef& model) {
  return std::static_pointer_cast<ServedModel>(model);
}

class SharedAllocator final : public Allocator {
 public:
  explicit SharedAllocator(std::shared_ptr<Allocator> source) : source_(std::move(source)) {}
  void* allocate(std::size_t size_bytes) override { return source_->allocate(size_bytes); }
  void deallocate(void* memory, std::size_t size_bytes) noexcept override {
    source_->deallocate(memory, size_bytes);
  }
  [[nodiscard]] MemoryKind kind() const override { return source_->kind(); }

 private:
  const std::shared_ptr<Allocator> source_;
};

// Null when there is none, or nobody wants it; `why_not` says which.
std::shared_ptr<CudaRuntime> open_cuda(const EngineOptions& options, std::string& why_not) {
  if (!options.pinned && !options.devices) return nullptr;
  auto runtime = CudaRuntime::open(options.cuda_libraries);
  if (runtime.ok()) return std::move(runtime.value());
  why_not = " (" + runtime.status().message() + ")";
  return nullptr;
}

// The allocator behind the pool.
std::unique_ptr<Allocator> choose_allocator(const EngineOptions& options,
                                            std::shared_ptr<CudaRuntime> cuda) {
  if (options.allocator) return std::make_unique<SharedAllocator>(options.allocator);
  if (options.pinned && cuda != nullptr) return make_pinned_allocator(std::move(cuda));
  return make_page_allocator();
}

// The version that a name stands for, once it has let its caller in.
template <typename LetsIn>
Result<std::shared_ptr<ServedModel>> enter(const ModelTable& table, std::string_view name,
                                           std::int64_t version, const LetsIn& lets_in) {
  for (;;) {
    auto model = table.find(name, version);
    if (!model.ok() || lets_in(*model.value())) return model;
    // It retires. Either the table has moved on meanwhile, or nothing has taken its place.
    auto again = table.find(name, version);
    if (again.ok() && again.value() == model.value()) {
      return unavailable("Request for unknown model: '" + std::string(name) + "' version " +
                         std::to_string(model.value()->plan().version) + " is not at ready state");
    }
  }
}

void apply_deadline(Request& request, const Clock& clock) {
  constexpr std::uint64_t kMostMs = INT64_MAX / 4'000'000;  // so that it can be added to a time
  if (request.deadline_ms > kMostMs) return;
  const std::int64_t from = request.times.received != 0 ? request.times.received : clock.now_ns();
  const std::int64_t deadline = from + static_cast<std::int64_t>(request.deadline_ms) * 1'000'000;
  request.deadline_ns = std::min(request.deadline_ns, deadline);
}

}  // namespace

// Members end in reverse order: models first, then slots, then the pool that their leases came
// from.
struct Engine::Impl {
  explicit Impl(const EngineOptions& options)
      : clock(options.clock != nullptr ? options.clock : &real_clock),
        cuda(open_cuda(options, memory_report)),
        pool(choose_allocator(options, cuda), options.pool),
        regions(cuda),
        requests(options.max_requests),
        responses(options.max_responses),
        tracer(*clock),
        reaper(*clock) {
    memory_report = (pool.kind() == MemoryKind::kPinned ? "pinned" : "page") + memory_report;
    if (cuda != nullptr && options.devices) devices.emplace(cuda, options.device_pool_bytes);
    if (options.cache_bytes > 0) {
      cache = std::make_unique<LocalCache>(options.cache_bytes);
    } else if (options.redis) {
      store = std::make_unique<RedisStore>(*options.redis);
    }
    reaper.watch(waiting);
    if (options.rate_limited) limiter = std::make_shared<RateLimiter>(options.resources);
    if (options.short_work_first) ShortWork::of_process().allow(true);
  }

  [[nodiscard]] ServedModelContext model_context(Engine* engine) {
    DevicePools* const pools = devices ? &*devices : nullptr;
    return {pool,   responses,   *clock,      tracer,  notices, sweeper(),
            engine, cache.get(), store.get(), limiter, pools};
  }
  // On a manual clock time passes only when its owner says so, who then sweeps.
  [[nodiscard]] Reaper* sweeper() { return clock == &real_clock ? &reaper : nullptr; }

  RealClock real_clock;
  const Clock* clock;
  std::string memory_report;
  std::shared_ptr<CudaRuntime> cuda;
  BufferPool pool;
  std::optional<DevicePools> devices;
  SharedRegions regions;
  RequestPool requests;
  ResponsePool responses;
  std::unique_ptr<ResponseCache> cache;
  std::shared_ptr<RateLimiter> limiter;
  Tracer tracer;
  Notices notices;
  std::unique_ptr<RemoteStore> store;  // calls models, which requests keep
  ModelTable table;
  // Of requests; the reaper does not keep it.
  const std::shared_ptr<WaitingRoom> waiting = std::make_shared<WaitingRoom>();
  Reaper reaper;
  std::atomic<bool> accepting{true};
};

Engine::Engine(EngineOptions options) : impl_(std::make_unique<Impl>(options)) {}

Engine::~Engine() {
  for (const auto& model : impl_->table.all()) model->shut_down(0);
}

Result<ModelVersionRef> Engine::create(std::shared_ptr<const ModelPlan> plan) {
  PENSTOCK_RETURN_IF_ERROR(plan->check());
  auto model = std::make_shared<ServedModel>(std::move(plan), impl_->model_context(this));
  PENSTOCK_RETURN_IF_ERROR(model->limit_instances());
  PENSTOCK_RETURN_IF_ERROR(model->prepare());
  impl_->reaper.watch(model);
  if (model->plan().scheduler == SchedulerKind::kEnsemble) model->start_ensemble();
  return ModelVersionRef(std::move(model));
}

void Engine::publish(const std::string& name, std::vector<ModelVersionRef> ready,
                     std::vector<std::int64_t> not_ready, bool on_demand) {
  ModelEntry entry;
  entry.on_demand = on_demand;
  for (auto version : not_ready) entry.versions[version] = nullptr;
  for (const auto& model : ready) {
    served(model)->open();
    entry.versions[model->plan().version] = served(model);
  }
  impl_->table.publish(name, std::move(entry));
  if (!on_demand || !ready.empty()) impl_->waiting->open(name);
}

void Engine::refuse(const std::string& name, Status status) {
  impl_->table.publish(name, ModelEntry{{}, std::move(status)});
  impl_->waiting->open(name);
}

void Engine::forget(const std::string& name) {
  impl_->table.forget(name);
  impl_->waiting->open(name);
}

void Engine::retire(const ModelVersionRef& model, std::int64_t timeout_ns) {
  served(model)->shut_down(timeout_ns);
}

void Engine::stop_accepting() {
  impl_->accepting.store(false);
  impl_->waiting->close(unavailable(kStopping));
}

std::uint64_t Engine::in_flight() const {
  const std::uint64_t released = impl_->requests.released();
  return impl_->requests.acquired() - released;
}

Request* Engine::acquire() { return impl_->requests.acquire(); }

Status Engine::bind(Request& request, std::string_view name, std::int64_t version) {
  if (request.model() != nullptr) return internal_error("a request is bound once");
  auto entered =
      enter(impl_->table, name, version, [&](ServedModel& model) { return model.enter(request); });
  return entered.ok() ? Status() : entered.take_status();
}

Result<ModelPin> Engine::pin(std::string_view name, std::int64_t version) {
  auto entered = enter(impl_->table, name, version, [](ServedModel& model) { return model.pin(); });
  if (!entered.ok()) return entered.take_status();
  return ModelPin(std::move(entered.value()));
}

Status Engine::await_model(Request& request, std::string_view name, std::int64_t version) {
  if (request.completion == nullptr) return internal_error("nobody waits for the request");
  // Not one to wait for; or it was loaded since bind() looked for it: then it is pinned until the
  // request is back with its owner, at once. With a pin nothing waits, or it would keep the version
  // from going.
  const bool was_loaded = !impl_->table.awaits_demand(name);
  if (was_loaded) PENSTOCK_RETURN_IF_ERROR(bind(request, name, version));
  const auto awaits = [&] { return !was_loaded && impl_->table.awaits_demand(name); };
  if (request.deadline_ms != Request::kNoDeadlineMs) apply_deadline(request, *impl_->clock);
  const std::int64_t deadline_ns = request.deadline_ns;  // once inside it may be gone
  PENSTOCK_RETURN_IF_ERROR(impl_->waiting->enter(request, name, awaits));
  if (deadline_ns == Request::kNoDeadlineNs) return {};
  if (Reaper* reaper = impl_->sweeper()) reaper->expect(deadline_ns);
  return {};
}

Status Engine::submit(Request& request) {
  ServedModel* model = static_cast<ServedModel*>(request.model());
  PENSTOCK_RETURN_IF_ERROR(queue(request));
  // The request may be answered and released by now, but its caller has not yet been told so.
  model->wake_instance();
  return {};
}

Status Engine::queue(Request& request) {
  // relaxed: a flag, no data with it. What a request that was accepted before needs goes on.
  if (!impl_->accepting.load(std::memory_order_relaxed) && !request.step_ && !request.nested) {
    return unavailable(request.tag_text() + kStopping);
  }
  if (request.model() == nullptr || request.completion == nullptr) {
    return internal_error("a request must be bound and have somewhere to complete to");
  }
  if (request.deadline_ms != Request::kNoDeadlineMs) apply_deadline(request, *impl_->clock);
  PENSTOCK_RETURN_IF_ERROR(validate(request));
  return static_cast<ServedModel*>(request.model())->submit(request);
}

void Engine::release(Request* request) {
  if (request->trace != nullptr) [[unlikely]]
    impl_->tracer.finish(*request);
  if (request->model() != nullptr) static_cast<ServedModel*>(request->model())->leave(*request);
  impl_->requests.release(request);
}

void Engine::release(Response* response) {
  Request& request = *response->request;
  if (request.trace != nullptr) [[unlikely]]
    impl_->tracer.add_outputs(request, *response);
  impl_->responses.release(response);
  static_cast<ServedModel*>(request.model())->response_read(request);
}

bool Engine::cancel(RequestHandle handle) {
  if (!impl_->requests.cancel(handle)) return false;
  if (Reaper* reaper = impl_->sweeper()) reaper->hurry();
  return true;
}

Result<ModelVersionRef> Engine::find(std::string_view name, std::int64_t version) const {
  auto model = impl_->table.find(name, version);
  if (!model.ok()) return model.take_status();
  return ModelVersionRef(std::move(model.value()));
}

std::vector<std::string> Engine::take_wanted_models() { return impl_->waiting->take_wanted(); }
int Engine::wanted_models_fd() const { return impl_->waiting->fd(); }

Tracer& Engine::tracer() { return impl_->tracer; }
BufferPool& Engine::pool() { return impl_->pool; }
Notices& Engine::notices() { return impl_->notices; }

std::optional<RemoteCacheState> Engine::remote_cache_state() const {
  if (!impl_->store) return std::nullopt;
  return impl_->store->state();
}
const std::string& Engine::memory_report() const { return impl_->memory_report; }
DevicePools* Engine::devices() { return impl_->devices ? &*impl_->devices : nullptr; }
SharedRegions& Engine::regions() { return impl_->regions; }
const Clock& Engine::clock() const { return *impl_->clock; }

}  // namespace penstock
