// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// HttpContext: what the HTTP connections of one loop share.
//
// Thread safety: the loop's thread, but for what bounds.h says of its types. Ownership: the door
// owns it, and it outlives the loop's handlers. Nothing blocks.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "door/bounds.h"
#include "door/event_loop.h"
#include "door/http1_parser.h"
#include "door/http_reply.h"
#include "door/upstream.h"
#include "penstock/codec.h"
#include "penstock/door.h"
#include "penstock/engine.h"

namespace penstock::door {

// What the loops share.
struct DoorShared {
  DoorShared(std::shared_ptr<Engine> served, const HttpDoorOptions& chosen)
      : engine(std::move(served)),
        limits(chosen.limits),
        rules(chosen.rules),
        has_rules(chosen.rules.any()),
        budget(limits.max_in_flight_bytes),
        slots(limits.max_connections) {}

  const std::shared_ptr<Engine> engine;
  const HttpDoorLimits limits;
  const HeaderRules rules;
  const bool has_rules;
  ByteBudget budget;
  ConnectionSlots slots;
  LiveState state;
};

struct HttpContext {
  HttpContext(EventLoop& runs_on, DoorShared& door, const std::string& upstream_path)
      : loop(runs_on),
        shared(door),
        engine(*door.engine),
        limits(door.limits),
        head_limits{door.limits.max_target_bytes, door.limits.max_fields_bytes},
        codec(door.engine->pool(), {.max_input_bytes = door.limits.max_input_bytes},
              &door.engine->regions()),
        burst(*door.engine),
        upstreams(runs_on, upstream_path) {
    loop.at_round_end([this] { burst.flush(); });
  }

  EventLoop& loop;
  DoorShared& shared;
  Engine& engine;
  const HttpDoorLimits& limits;
  const HeadLimits head_limits;
  HttpCodec codec;
  SubmitBurst burst;  // instances are woken once a round
  LoopCounters counters;
  OutgoingPool replies;
  UpstreamPool upstreams;
  RequestHead head;  // of the request that is being looked at: its parser's scratch
  // Called when a request has ended while the server is on its way out.
  std::function<void()> on_request_ended;
};

}  // namespace penstock::door
