// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// penstock_load: see usage() in options.cc, and docs/benchmarks.md.
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "load/options.h"
#include "load/report.h"
#include "load/worker.h"
#include "sync/request_thread.h"

namespace penstock::load {
namespace {

constexpr int kFailedRequests = 1;
constexpr int kUnusable = 2;

// Every connection is a file.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void wait_for_end_of_input() {
  std::array<char, 256> unread;
  while (::read(STDIN_FILENO, unread.data(), unread.size()) > 0) {
  }
}

// Or the client's own wait for a core would be in the latencies that it measures. One that sends as
// fast as it can needs no more than its share; one that keeps to a rate stands for a machine of its
// own, beside which nothing else runs: it takes the core as soon as it has something to do.
void take_cores(const Options& options) {
  begin_request_thread("load");
  if (options.rate_per_s <= 0) return;
  const sched_param lowest{.sched_priority = 1};
  (void)sched_setscheduler(0, SCHED_RR, &lowest);  // forbidden: then as before
}

// The threads of a run: all connect, then all start at the same moment.
class Run {
 public:
  explicit Run(const Options& options)
      : options_(options), target_(options), workers_(options.threads), errors_(options.threads) {}

  // Throws what the first thread threw that failed.
  void finish() {
    std::barrier connected(static_cast<std::ptrdiff_t>(workers_.size()),
                           [this]() noexcept { start_ns_ = now_ns(); });
    {
      std::vector<std::jthread> threads;
      for (unsigned i = 0; i < workers_.size(); ++i) {
        threads.emplace_back([this, i, &connected] { work(i, connected); });
      }
    }
    for (const auto& error : errors_) {
      if (error) std::rethrow_exception(error);
    }
  }

  [[nodiscard]] Tally tally() const {
    Tally sum;
    for (const auto& worker : workers_) sum.add(worker->tally());
    return sum;
  }

  [[nodiscard]] std::int64_t start_ns() const { return start_ns_; }

 private:
  template <typename Barrier>
  void work(unsigned thread, Barrier& connected) {
    take_cores(options_);
    try {
      workers_[thread] = std::make_unique<Worker>(target_, thread);
      workers_[thread]->connect();
    } catch (...) {
      errors_[thread] = std::current_exception();
    }
    connected.arrive_and_wait();
    if (errors_[thread]) return;
    try {
      workers_[thread]->run(start_ns_);
    } catch (...) {
      errors_[thread] = std::current_exception();
    }
  }

  const Options& options_;
  Target target_;
  std::vector<std::unique_ptr<Worker>> workers_;  // each written by its thread
  std::vector<std::exception_ptr> errors_;        // likewise
  std::int64_t start_ns_ = 0;                     // written before any thread leaves the barrier
};

int load(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  raise_file_limit();
  Run run(options);
  run.finish();
  const Tally tally = run.tally();
  const std::int64_t from_ns = run.start_ns() + options.warmup_ns;
  const std::int64_t measured_ns = std::max<std::int64_t>(0, tally.last_ns - from_ns);
  std::puts(report(options, tally, measured_ns).c_str());
  std::fflush(stdout);
  if (options.hold) wait_for_end_of_input();
  return tally.failed() > 0 || tally.answered() == 0 ? kFailedRequests : 0;
}

}  // namespace
}  // namespace penstock::load

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--help")
      return std::fputs(penstock::load::usage(), stdout) < 0;
  }
  try {
    return penstock::load::load(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "penstock_load: %s\n", error.what());
    return penstock::load::kUnusable;
  }
}
