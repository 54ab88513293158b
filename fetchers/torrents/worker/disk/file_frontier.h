// The SHA-256 of one file, taken as far as its bytes are there in order: its frontier.
//
// Bytes of a piece that is not judged yet are taken on trial: before the first of them the state is kept, and a piece
// that fails puts the file back to where it was. Only what passed is ever shown or written into the journal.
//
//     0 ───────── passed ─────────│── on trial: piece 7 ──│── on trial: piece 8 ──│ next
//                                 └ kept state of 7       └ kept state of 8
//
// One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "evidence/formats/digests.h"

namespace impound::fetchers {

/// A state that a later process goes on from (on the same build: it is OpenSSL's own).
struct FrontierState {
  std::uint64_t next = 0;
  Sha256Stream stream{};
};

class FileFrontier {
 public:
  std::uint64_t next() const { return now_.next; }
  /// The next bytes, of a piece that is not judged yet.
  void try_bytes(std::size_t piece, Bytes bytes);
  /// The next bytes, of a piece that passed.
  void add(Bytes bytes);
  void piece_passed(std::size_t piece) { kept_.erase(piece); }
  void piece_failed(std::size_t piece);
  /// The file's digest, once all its `size` bytes passed.
  std::optional<Sha256> digest(std::uint64_t size);

  FrontierState const& passed() const { return kept_.empty() ? now_ : kept_.begin()->second; }
  void go_on_from(FrontierState const& state) { now_ = state; }
  void finished_before(Sha256 const& digest) { digest_ = digest; }

 private:
  FrontierState now_;
  std::map<std::size_t, FrontierState> kept_;  // by piece: before its first byte
  std::optional<Sha256> digest_;
};

}  // namespace impound::fetchers
