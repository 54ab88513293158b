// Erasure by order: an object unlinked, WARC records cut out, entries blanked; the log keeps that they were there.
//
//     judged: nothing under a hold, nothing that others need    (nothing is written before)
//       → exhibit.erased, entry.erased as one group → published: under a signature
//       → objects unlinked → WARC files rewritten and closed → bundles rewritten with blanks
//
// From the published entries on, the bytes are ordered gone: whatever a crash leaves of them, the next start destroys
// by the same code (carry_out), and verify calls them "unlogged" until then. What goes with what: a blanked
// exhibit.sealed takes its object along, a blanked capture.result its records; an object goes only when every exhibit
// of it does, so all of them must be ordered. Attempts without a result, and exhibits of an acquisition that is not
// over, are refused: the acquisition would go on.
//
// Not reached: copies outside the vault, blocks that the file system or the drive has given back, what lies in
// staging/swarm, and in staging/torn parts of what is erased (a whole object there is found by its digest, and goes).
//
// The vault's holder only, while no WarcWriter of this process has a file open. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/erased_entry.h"
#include "evidence/log_reader.h"
#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct ErasureOrder {
  std::vector<std::uint64_t> exhibits;  // exhibit.sealed and capture.result whose bytes go; the entry stays
  std::vector<std::uint64_t> entries;   // to be blanked
  std::string order;                    // as the authority names it
  std::string why;
  By by;
};

/// The entries that order it. Code::refused names what stands in the way: a hold, a kind that is never erased, another
/// exhibit of the same object, an acquisition that is not over. Code::not_found: no such entry, or erased already.
Result<std::vector<EntryDraft>> plan_erasure(Disk& vault, LogReader& log, ErasureOrder const& order);

/// What the log orders gone, gathered while it is read once in order.
class OrderedErasures {
 public:
  /// All that the log orders up to its checkpoint.
  static Result<OrderedErasures> read(LogReader& log);
  void take(ReadEntry const& entry);
  void take_blank(std::uint64_t index) { blanks_.insert(index); }
  bool empty() const { return exhibits_.empty() && entries_.empty(); }

 private:
  friend class Destruction;
  std::vector<ErasedExhibit> exhibits_;
  std::map<std::uint64_t, LeafHash> entries_;
  std::set<std::uint64_t> blanks_;
};

struct Destroyed {
  std::size_t objects = 0;
  std::size_t files = 0;  // of WARC, rewritten or removed
  std::size_t entries = 0;
  std::vector<Error> failed{};  // could not be done now: the file is damaged, or the disk says no
};

/// Destroys what is ordered and still there. `log` must be as new as the orders.
Result<Destroyed> carry_out(Disk& vault, LogReader& log, OrderedErasures const& ordered);

/// The three ways out of evidence/ that an erasure needs.
struct ErasureLog {
  std::function<Result<LogReader>()> read;
  std::function<Result<void>(std::vector<EntryDraft>)> record;  // one group, durable
  std::function<Result<void>()> publish;
};

/// The whole of it. What `failed` lists is ordered, and not destroyed yet.
Result<Destroyed> erase(Disk& vault, ErasureLog const& log, ErasureOrder const& order);

}  // namespace impound::evidence
