// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// GrpcConnection: what time does to it.
#include <algorithm>

#include "door/grpc_connection.h"

namespace penstock::door {

void GrpcConnection::schedule(std::int64_t when_ns) {
  next_tick_ns_ = std::min(next_tick_ns_, when_ns);
}

// Connections that were opened together need not end together (gRPC spreads the age by a tenth).
void GrpcConnection::start_clock() {
  const GrpcKeepalive& keepalive = context_.options.keepalive;
  schedule(opened_ns_ + context_.options.limits.greeting_timeout_ns);
  schedule(opened_ns_ + keepalive.time_ns);
  if (keepalive.max_age_ns == 0) return;
  const std::int64_t spread_ns = keepalive.max_age_ns / 10 + 1;
  max_age_ns_ = keepalive.max_age_ns + opened_ns_ % (2 * spread_ns) - spread_ns;
  schedule(opened_ns_ + max_age_ns_);
}

bool GrpcConnection::tick() {
  const std::int64_t now_ns = context_.loop.now_ns();
  const GrpcKeepalive& keepalive = context_.options.keepalive;
  next_tick_ns_ = kNoDeadline;
  if (!greeted_) {
    const std::int64_t due_ns = opened_ns_ + context_.options.limits.greeting_timeout_ns;
    if (now_ns >= due_ns) return false;
    schedule(due_ns);
  }
  if (max_age_ns_ != 0 && drained_ns_ == 0) {
    if (now_ns >= opened_ns_ + max_age_ns_) {
      drain();
    } else {
      schedule(opened_ns_ + max_age_ns_);
    }
  }
  if (drained_ns_ != 0) {
    if (!last_goaway_sent_ && now_ns >= drained_ns_ + kHousekeepingNs) on_ping_answered();
    if (max_age_ns_ != 0 && keepalive.max_age_grace_ns != 0) {
      const std::int64_t due_ns = drained_ns_ + keepalive.max_age_grace_ns;
      if (now_ns >= due_ns) return false;
      schedule(due_ns);
    }
    schedule(now_ns + kHousekeepingNs);
  }
  tick_calls();
  return tick_keepalive();
}

bool GrpcConnection::tick_keepalive() {
  const std::int64_t now_ns = context_.loop.now_ns();
  const GrpcKeepalive& keepalive = context_.options.keepalive;
  if (pinged_ns_ != 0) {
    if (now_ns >= pinged_ns_ + keepalive.timeout_ns) return false;
    schedule(pinged_ns_ + keepalive.timeout_ns);
    return true;
  }
  if (now_ns < received_ns_ + keepalive.time_ns) {
    schedule(received_ns_ + keepalive.time_ns);
    return true;
  }
  if (!calls_.empty() || keepalive.permit_without_calls) {
    pinged_ns_ = now_ns;
    session_.ping();
    wake();
    schedule(now_ns + keepalive.timeout_ns);
  } else {
    schedule(now_ns + keepalive.time_ns);
  }
  return true;
}

void GrpcConnection::tick_calls() {
  // Backwards: a call that closes is replaced by one that was seen.
  for (std::size_t i = calls_.size(); i-- > 0;) {
    if (i < calls_.size()) tick_call(*calls_[i]);
  }
  if (!calls_.empty()) schedule(context_.loop.now_ns() + kHousekeepingNs);
}

void GrpcConnection::tick_call(GrpcCall& call) {
  const std::int64_t now_ns = context_.loop.now_ns();
  const GrpcDoorLimits& limits = context_.options.limits;
  const bool stalled = call.queue().size_bytes() > 0 &&
                       now_ns >= std::max(call.sent_ns, call.data_ns) + limits.send_timeout_ns;
  if (stalled) {  // B7: a window that stays shut
    session_.reset(call, H2Error::kCancel);
    return wake();
  }
  if (call.passed != nullptr || call.answered) return;  // the upstream minds its own deadlines
  if (now_ns >= call.deadline_ns) {
    fail(call, GrpcStatus::kDeadlineExceeded, "Deadline Exceeded");
    return wake();
  }
  schedule(call.deadline_ns);
  const bool unary = call.head.rpc != Rpc::kModelStreamInfer;
  if (!(call.reader.inside() || (unary && !call.ended))) return;
  const std::int64_t spent_ns = now_ns - call.begun_ns;
  const bool idle = now_ns >= call.data_ns + limits.body_timeout_ns;
  const bool slow = unary && spent_ns >= limits.body_timeout_ns &&
                    call.received_bytes < limits.min_bytes_per_second *
                                              static_cast<std::uint64_t>(spent_ns / 1'000'000'000);
  if (!idle && !slow) return;
  fail(call, GrpcStatus::kCancelled, "the message did not arrive in time");
  wake();
}

}  // namespace penstock::door
