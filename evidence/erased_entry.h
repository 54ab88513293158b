// What exhibit.erased and entry.erased say: which bytes are gone by order, and what stood there.
//
//     exhibit.erased {"index","order","why"?,"exhibit","sha256","size"}     the object of an exhibit
//     exhibit.erased {"index","order","why"?,"capture","records","files"}   the WARC records of a capture
//     entry.erased   {"index","order","why"?,"entry","kind","leaf_hash","of"?,"cause"?}
//
// `index` is that of the exhibit.sealed, the capture.result, or the blanked entry; the envelope has the case of that
// entry, and the person who carried the order out in `by`. `records` has each gzip member where it lay when it was
// written, `files` each WARC file as it was before and is after. `of` and `cause` of a blanked entry are kept, so that
// what hangs together still does. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/values/digest.h"
#include "evidence/values/entry_id.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct ErasedRecord {
  std::string file;
  std::uint64_t offset = 0;  // as the capture has it
  std::uint64_t length = 0;
  Sha256 sha256;
};

/// A WARC file without the records; `after` absent: nothing was left, the file is gone.
struct RewrittenFile {
  std::string file;
  Sha256 before;
  std::optional<Sha256> after{};
  std::uint64_t bytes_after = 0;
};

struct ErasedObject {
  Sha256 sha256;
  std::uint64_t size = 0;
};

struct ErasedExhibit {
  std::uint64_t index = 0;
  std::optional<EntryId> id{};           // of the exhibit or the capture
  std::optional<ErasedObject> object{};  // of an exhibit
  std::vector<ErasedRecord> records{};   // of a capture
  std::vector<RewrittenFile> files{};
};

struct ErasedEntry {
  std::uint64_t index = 0;
  std::optional<EntryId> id{};
  std::string kind;
  LeafHash leaf;
  std::optional<EntryId> of{};
  std::optional<EntryId> cause{};
};

/// Kinds that may be blanked: those that carry what came from outside, or a person's words on it. Never what custody
/// itself rests on: who held the vault, its keys, settings and clock, timestamps, cases and their holds, copies and
/// exports, erasures.
bool may_be_blanked(std::string_view kind);

/// The bodies; `order` and `why` are added by the caller.
Json to_json(ErasedExhibit const& erased);
Json to_json(ErasedEntry const& erased);
/// Code::malformed for a body that is not what the schema says.
Result<ErasedExhibit> erased_exhibit_from(ReadEntry const& entry);
Result<ErasedEntry> erased_entry_from(ReadEntry const& entry);

}  // namespace impound::evidence
