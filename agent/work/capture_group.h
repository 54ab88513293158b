// Many requests at once over one event loop, by the manners of each host: captures, each as agent/work/capture.h has
// it, and looks, which leave nothing in the log.
//
//     begin: their capture.attempt entries, durable together
//       → hop by hop, as the manners of each host allow (agent/work/host_turns.h), a ConcurrentClient for each route
//       → judged in the caller's thread → packed in a thread of its own (agent/work/capture_packing.h)
//       → a group: appended to WARC, one sync, its capture.result entries in one record(), all named → told
//
// Exactly one capture.result for each that is told, durable. One that a host keeps waiting too long, its circuit open,
// ends as failed like one that does not answer; so does, once `cancelled` says so, all that is under way. Whatever ends
// early, this or the process, leaves attempts open, which the next start closes as interrupted, or adopts. One thread,
// the session's.
//
// Gap: what is in memory is bounded by not starting more while `body_bytes_max` are held; those under way by then may
// bring up to capture.max_bytes each on top (64 of them: a GiB, should all servers mean it). A bound on the bytes of
// all transfers together would have to be libcurl's, or the client's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/work/capture.h"
#include "agent/work/routes.h"
#include "agent/work/session.h"
#include "evidence/values/result.h"
#include "fetchers/http/address_policy.h"
#include "fetchers/http/client.h"
#include "fetchers/http/host_manners.h"

namespace impound::agent {

struct CaptureGroupLimits {
  std::size_t under_way_max = 64;               // requests at once
  std::size_t of_host_max = 4;                  // to one host
  std::chrono::microseconds pace{0};            // at least so long between two requests to one host
  std::uint64_t body_bytes_max = 64u << 20;     // of bodies in memory; while it is more, nothing starts
  std::size_t group_max = 256;                  // captures that share a sync
  std::chrono::milliseconds group_age_max{20};  // after the first of them is ready
  fetchers::MannersLimits manners{};
};

/// A capture to begin, and what is to become of it.
struct CaptureWish {
  CaptureOrder order;
  /// May take usable back (a site's sentence that is no content); says whether the exchange is kept.
  std::function<bool(Captured&)> judge;
  /// Once its result is durable. An error is everybody's: run() returns it.
  std::function<Result<void>(Captured&)> then;
};

/// A request whose answer alone is wanted.
struct Look {
  std::string route;
  fetchers::HttpRequest request;
  std::uint64_t bytes_max = 16u << 20;
  std::size_t redirects_max = 0;  // followed; the answer to one more is the last
  /// Its hops, at least one. As CaptureWish::then.
  std::function<Result<void>(std::vector<fetchers::Exchange>&)> then;
};

class CaptureGroup {
 public:
  /// What is handed in must outlive it. `cancelled`: asked at least once a second. Code::io when the kernel gives no
  /// descriptors.
  static Result<std::unique_ptr<CaptureGroup>> make(Session& session, Settings const& settings, Routes const& routes,
                                                    fetchers::AddressPolicy const& policy,
                                                    std::function<bool()> cancelled,
                                                    CaptureGroupLimits const& limits = {});
  ~CaptureGroup();
  CaptureGroup(CaptureGroup const&) = delete;
  CaptureGroup& operator=(CaptureGroup const&) = delete;

  /// Their attempts are durable when it returns; all of them, or none. Code::usage for a route that is not in the
  /// settings; the recorder's errors.
  Result<void> begin(std::vector<CaptureWish> wishes);
  Result<void> begin(CaptureWish wish);
  /// Code::usage for a route that is not in the settings.
  Result<void> look(Look look);
  /// Captures and looks that were begun and not told.
  std::size_t under_way() const;
  /// Moves all of them on and tells those that ended, in no order; waits at most `wait` for anything to happen, less
  /// when `wake_descriptor` (-1 for none) is readable. Code::no_space: what could not be written stays, and the next
  /// call tries again. Any other error of the log is final: every later call returns it.
  Result<void> run(std::chrono::milliseconds wait, int wake_descriptor = -1);

  /// What is known of the hosts, for who gives out turns before it begins something; asked by host_of() (host_turns.h).
  fetchers::HostManners& manners();

  /// For who waits for other things as well: readable when run() has something to do, which also falls due after
  /// due_in() at the latest, at most `wait`.
  int descriptor() const;
  std::chrono::milliseconds due_in(std::chrono::milliseconds wait) const;

 private:
  struct State;
  explicit CaptureGroup(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace impound::agent
