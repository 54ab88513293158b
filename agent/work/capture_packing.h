// Packs captures in one thread of its own, beside the one that waits for the network: the result's body and the WARC
// records, digests and compression. Bounded by its caller, who gives it no more than it wants to hold. add(), take()
// and count() belong to one thread at a time. Destroyed, it drops what is not packed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "agent/work/capture.h"
#include "evidence/formats/canonical_json.h"
#include "evidence/system/descriptor.h"
#include "evidence/system/randomness.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/result.h"
#include "evidence/warc/packing.h"
#include "fetchers/http/exchange.h"

namespace impound::agent {

/// A capture whose last hop has ended, judged.
struct EndedCapture {
  CaptureOrder order;
  EntryId attempt;
  std::vector<fetchers::Exchange> hops;
  Captured captured;
  bool kept = false;
  std::uint64_t bytes = 0;                           // of bodies that it holds
  std::function<Result<void>(Captured&)> then = {};  // handed through
};

/// The same, its hops turned into records.
struct PackedResult {
  CaptureOrder order;
  EntryId attempt;
  Captured captured;
  bool kept = false;
  std::uint64_t bytes = 0;
  Json body;                                // of its capture.result, without the records
  Result<evidence::PackedCapture> records;  // pack_capture()'s errors
  std::function<Result<void>(Captured&)> then = {};
};

class CapturePacking {
 public:
  /// Code::io when the kernel gives no eventfd. `randomness` must outlive it.
  static Result<std::unique_ptr<CapturePacking>> make(Randomness& randomness);
  ~CapturePacking();
  CapturePacking(CapturePacking const&) = delete;
  CapturePacking& operator=(CapturePacking const&) = delete;

  void add(EndedCapture capture);
  /// Those that were packed since the last call.
  std::vector<PackedResult> take();
  /// Those that were added and not taken.
  std::size_t count() const { return count_; }
  /// Readable once nothing is left to pack; take() makes it quiet again.
  int descriptor() const { return drained_.number(); }

 private:
  CapturePacking(Randomness& randomness, Descriptor drained);
  void run();

  Randomness& randomness_;
  Descriptor drained_;
  std::size_t count_ = 0;
  std::mutex lock_;
  std::condition_variable arrived_;
  std::deque<EndedCapture> waiting_;
  std::vector<PackedResult> packed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace impound::agent
