// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// What Cython cannot say about workers: Results. See shim.h.
#pragma once

#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "penstock/worker.h"
#include "shim.h"

namespace penstock::binding {

inline std::shared_ptr<WorkerLink> make_link(const std::shared_ptr<ModelPlan>& plan, Engine& engine,
                                             const WorkerOptions& options,
                                             std::shared_ptr<ModelCalls> calls) {
  return WorkerLink::make(plan, engine.pool(), options, std::move(calls));
}

inline Status connect_worker(WorkerLink& link, std::shared_ptr<WorkerConnection>& out) {
  return take(link.connect(), out);
}

inline Status attach(int fd, const std::shared_ptr<ModelPlan>& plan, const WorkerOptions& options,
                     std::shared_ptr<Engine>& engine, ModelVersionRef& model,
                     std::shared_ptr<CallPort>& calls) {
  WorkerEnd end;
  PENSTOCK_RETURN_IF_ERROR(take(attach_worker(fd, plan, options), end));
  engine = std::move(end.engine);
  model = std::move(end.model);
  calls = std::move(end.calls);
  return {};
}

// The kernel kills this process when the thread that started it ends. False: it has ended already.
inline bool die_with_parent(int parent) {
  return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

}  // namespace penstock::binding
