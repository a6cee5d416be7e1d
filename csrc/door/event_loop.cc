// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
#include "door/event_loop.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <utility>

#include "sync/errands.h"
#include "sync/request_thread.h"

namespace penstock::door {
namespace {

// Timers are looked at this often at most: a pass over 10,000 connections costs some 50 us.
constexpr std::int64_t kSweepNs = 50'000'000;
// What thousands of clients that came together have due together is done in parts: others get their
// turn between them.
constexpr int kTimersPerRound = 64;

epoll_event event_of(Handler* handler, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  return event;
}

}  // namespace

Handler::~Handler() {
  if (fd_ >= 0) ::close(fd_);
}

EventLoop::EventLoop(const Clock& clock)
    : clock_(clock), epoll_fd_(epoll_create1(EPOLL_CLOEXEC)), now_ns_(clock.now_ns()) {
  if (epoll_fd_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  // Edge-triggered and never read: every write, and every end of the timer, is an edge.
  epoll_event event = event_of(nullptr, EPOLLIN | EPOLLET);
  for (const int fd : {waker_->fd(), waker_->timer_fd()}) {
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) continue;
    const int error = errno;
    ::close(epoll_fd_);
    throw std::system_error(error, std::generic_category(), "epoll_ctl");
  }
}

EventLoop::~EventLoop() {
  close_all();
  assert(pinned_dead_ == 0 && "a loop ended while the core held its requests");
  ::close(epoll_fd_);
}

void EventLoop::run() {
  while (!stopping_ || pinned_dead_ > 0) {
    const int count = wait();
    run_round(count);
    let_others_go();
    graveyard_.clear();
    const std::int64_t done_ns = clock_.now_ns();
    work_done(done_ns - now_ns_, done_ns, std::exchange(most_moved_, 0));
  }
}

void EventLoop::run_round(int count) {
  const ErrandScope errands;
  now_ns_ = clock_.now_ns();
  dispatch(count);
  deliver(completions_.take_all());
  if (now_ns_ >= next_sweep_ns_) run_timers();
  run_turns();
  for (const auto& task : round_end_) task();
}

// An instance that goes first, too, answers now if it shares the core, as it would if the kernel
// decided between the two; else this loop would go to sleep first, only to be woken by it.
void EventLoop::let_others_go() {
  if (goes_first()) sched_yield();  // to those of the same priority; nobody there: at once back
}

void EventLoop::stop() {
  post([this] {
    stopping_ = true;
    close_all();
  });
}

void EventLoop::post(std::function<void()> task) {
  {
    std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(task));
  }
  has_posted_.raise();
  waker_->wake_now();
}

// Sleeps only when nothing is left to do. While the loop is awake the ring is not armed, so that
// what completes meanwhile costs no system call.
int EventLoop::wait() {
  int timeout_ms = 0;
  if (turns_.empty()) {
    completions_.arm();
    waker_->sleeps_here();
    if (CompletionNode* node = completions_.take_all()) {
      deliver(node);
    } else {
      timeout_ms = sleep_ms();
    }
  }
  const int count = epoll_wait(epoll_fd_, events_.data(), kEventsPerRound, timeout_ms);
  completions_.disarm();
  waker_->awake();
  return std::max(count, 0);  // EINTR: just another round
}

int EventLoop::sleep_ms() const {
  if (next_sweep_ns_ == kNoDeadline) return -1;
  const std::int64_t left_ns = next_sweep_ns_ - clock_.now_ns();
  if (left_ns <= 0) return 0;
  return static_cast<int>(std::min<std::int64_t>(left_ns / 1'000'000 + 1, 60'000));
}

void EventLoop::dispatch(int count) {
  for (int i = 0; i < count; ++i) {
    auto* handler = static_cast<Handler*>(events_[i].data.ptr);
    if (handler == nullptr) {
      run_posted();
    } else if (!handler->closed_) {
      const std::uint32_t events = events_[i].events;
      handler->on_events({(events & EPOLLIN) != 0, (events & EPOLLOUT) != 0,
                          (events & (EPOLLHUP | EPOLLERR)) != 0});
    }
  }
}

void EventLoop::deliver(CompletionNode* node) {
  while (node != nullptr) {
    CompletionNode* next = node->next;  // the handler gives the node back
    auto& response = *static_cast<Response*>(node);
    static_cast<Ticket*>(response.request->tag)->handler->on_response(response);
    node = next;
  }
}

// The waker tells of completions, too, and far more often: they take no lock.
void EventLoop::run_posted() {
  if (!has_posted_.take()) return;
  std::vector<std::function<void()>> tasks;
  {
    std::lock_guard lock(posted_mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) task();
}

bool EventLoop::add(std::unique_ptr<Handler> handler, bool shared) {
  handler->shared_ = shared;
  handler->interest_ = EPOLLIN;
  epoll_event event = event_of(handler.get(), EPOLLIN | (shared ? EPOLLEXCLUSIVE : 0u));
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, handler->fd_, &event) != 0) return false;
  handler->index_ = handlers_.size();
  handlers_.push_back(std::move(handler));
  return true;
}

void EventLoop::watch(Handler& handler, bool reading, bool writing) {
  const std::uint32_t wanted = (reading ? EPOLLIN : 0u) | (writing ? EPOLLOUT : 0u);
  if (handler.closed_ || wanted == handler.interest_) return;
  handler.interest_ = wanted;
  epoll_event event = event_of(&handler, wanted);
  if (!handler.shared_) {
    epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, handler.fd_, &event);
    return;
  }
  // What is watched exclusively cannot be modified.
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, handler.fd_, nullptr);
  event.events |= EPOLLEXCLUSIVE;
  if (wanted != 0) epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, handler.fd_, &event);
}

void EventLoop::close(Handler& handler) {
  if (std::exchange(handler.closed_, true)) return;
  handler.due_ns_ = kNoDeadline;
  handler.on_close();
  // Closing takes a descriptor out of epoll, but not one that other loops hold a duplicate of.
  if (handler.shared_) epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, handler.fd_, nullptr);
  ::close(std::exchange(handler.fd_, -1));
  auto& slot = handlers_[handler.index_];
  std::unique_ptr<Handler> owned = std::move(slot);
  if (&slot != &handlers_.back()) {
    slot = std::move(handlers_.back());
    slot->index_ = handler.index_;
  }
  handlers_.pop_back();
  if (handler.deferred_) std::erase(turns_, &handler);
  if (handler.pins_ == 0) {
    graveyard_.push_back(std::move(owned));
  } else {
    ++pinned_dead_;
    (void)owned.release();  // the pins own it now
  }
}

void EventLoop::unpin(Handler& handler) {
  if (--handler.pins_ > 0 || !handler.closed_) return;
  --pinned_dead_;
  graveyard_.emplace_back(&handler);
}

void EventLoop::set_timer(Handler& handler, std::int64_t when_ns) {
  if (handler.closed_) return;
  handler.due_ns_ = when_ns;
  if (when_ns < next_sweep_ns_) next_sweep_ns_ = std::max(when_ns, last_sweep_ns_ + kSweepNs);
}

void EventLoop::run_timers() {
  last_sweep_ns_ = now_ns_;
  next_sweep_ns_ = kNoDeadline;
  std::int64_t earliest_ns = kNoDeadline;
  int called = 0;
  // Backwards: a handler that closes itself is replaced by one that was seen.
  for (std::size_t i = handlers_.size(); i-- > 0;) {
    if (i >= handlers_.size()) continue;
    Handler& handler = *handlers_[i];
    if (handler.due_ns_ <= now_ns_) {
      if (called++ == kTimersPerRound) {
        next_sweep_ns_ = now_ns_;  // the rest in the next round
        return;
      }
      handler.due_ns_ = kNoDeadline;
      handler.on_timer();
    } else {
      earliest_ns = std::min(earliest_ns, handler.due_ns_);
    }
  }
  if (earliest_ns < next_sweep_ns_) {
    next_sweep_ns_ = std::max(earliest_ns, last_sweep_ns_ + kSweepNs);
  }
}

void EventLoop::defer(Handler& handler) {
  if (handler.closed_ || std::exchange(handler.deferred_, true)) return;
  turns_.push_back(&handler);
}

void EventLoop::run_turns() {
  running_turns_.swap(turns_);
  for (Handler* handler : running_turns_) {
    handler->deferred_ = false;
    if (!handler->closed_) handler->on_turn();
  }
  running_turns_.clear();
}

void EventLoop::close_all() {
  while (!handlers_.empty()) close(*handlers_.back());
}

}  // namespace penstock::door
