// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// ServedModel: the threads of its native instances and of an ensemble, and instances that come and
// go while the version serves.
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "core/served_model.h"
#include "sync/errands.h"
#include "sync/request_thread.h"

namespace penstock {
namespace {

// More than a process can have threads.
constexpr std::uint32_t kMaxInstances = 1u << 20;

}  // namespace

void ServedModel::start(std::uint32_t index, std::unique_ptr<NativeInstance> instance) {
  NativeInstance* const native = instance.get();
  {
    std::lock_guard lock(threads_mutex_);
    natives_.emplace(index, std::move(instance));
  }
  add_thread(index, std::thread([this, index, native] {
               const auto worker = native->worker();
               const bool may = worker != NativeInstance::Worker::kThreads && pipelines_.empty();
               begin_request_thread(plan_->name.c_str(),
                                    {.when = may ? GoesFirst::kWhileShort : GoesFirst::kNever,
                                     .by_process = worker == NativeInstance::Worker::kProcess});
               run(index, *native);
             }));
}

void ServedModel::start_ensemble() {
  const bool has_thread = context_.reaper != nullptr;
  ensemble_ = std::make_unique<EnsembleRunner>(*this, *scheduler_, *context_.engine, has_thread);
  if (!has_thread) return;
  add_thread(0, std::thread([this] {
               begin_request_thread(plan_->name.c_str());
               ensemble_->run();
             }));
}

void ServedModel::add_thread(std::uint32_t index, std::thread thread) {
  std::lock_guard lock(threads_mutex_);
  threads_.emplace(index, std::move(thread));
}

void ServedModel::run(std::uint32_t index, NativeInstance& instance) {
  Batch batch;
  for (;;) {
    instance.wait_ready();
    if (!next(index, batch)) return;
    try {
      instance.execute(batch);
    } catch (const std::exception& e) {  // nothing may cross a thread's entry
      batch.fail_all(internal_error("model '" + plan_->name + "' failed: " + e.what()));
    } catch (...) {
      batch.fail_all(internal_error("model '" + plan_->name + "' failed"));
    }
    const ErrandScope errands;  // of who is told that the batch is done
    complete(index, batch);
  }
}

std::uint32_t ServedModel::instance_limit() const {
  // Where an instance's tensors are is part of the plan.
  const bool fixed = plan_->sequences() || ensemble_ || limited_ || !pipelines_.empty();
  return fixed ? plan_->instance_count : kMaxInstances;
}

Status ServedModel::end_instance(std::uint32_t index) {
  if (plan_->sequences() || ensemble_ || limited_) {
    return unsupported("model '" + plan_->name + "' keeps the instances that it was loaded with");
  }
  if (!pipelines_.empty()) {
    return unsupported("instances of model '" + plan_->name + "' share its requests on GPUs");
  }
  scheduler_->end_instance(index);
  std::unique_ptr<NativeInstance> instance;
  std::thread ended;
  {
    std::lock_guard lock(threads_mutex_);
    if (auto found = threads_.extract(index)) ended = std::move(found.mapped());
    if (auto found = natives_.extract(index)) instance = std::move(found.mapped());
  }
  if (instance) instance->stop();
  if (ended.joinable()) ended.join();
  return {};
}

void ServedModel::join_threads() {
  std::lock_guard lock(threads_mutex_);
  for (auto& [index, native] : natives_) native->stop();
  for (auto& [index, thread] : threads_) thread.join();
  threads_.clear();
  natives_.clear();
}

}  // namespace penstock
