// Reads a published log beside its writer, without a lock: takes the newest checkpoint once, opens that checkpoint's
// partial tiles at once (one vanished: a newer checkpoint is out, start again), and never looks past its size.
// At most one bundle (16 MiB) is in memory. Of the bytes only the checkpoint's signature is checked here; that they
// hash to its root is evidence/verify's matter. Where the checkpoint carries another key's line, the log's rotations
// are followed first (key_rotation.h), which reads all entries once. One thread a reader.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "evidence/checkpoint.h"
#include "evidence/formats/tlog_tile.h"
#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

class LogReader {
 public:
  using Each = std::function<Result<void>(std::uint64_t index, std::string_view entry)>;

  /// `vault` must outlive the reader. Code::not_found: no checkpoint. Code::refused: not signed by `vkey`, nor by
  /// the key that it was handed on to.
  /// Code::damaged: the checkpoint stays the same and a tile of it is missing (`where` is its path).
  static Result<LogReader> open(Disk& vault, std::string_view vkey);

  Checkpoint const& checkpoint() const { return checkpoint_; }
  std::string const& note() const { return note_; }
  /// The key that `vkey` has become, which signed the checkpoint.
  NoteKey const& key() const { return key_; }

  /// Entries [from, to) in order; `to` beyond the checkpoint's size is cut to it. An erased entry is empty.
  Result<void> each(std::uint64_t from, std::uint64_t to, Each const& each);
  Result<std::string> entry(std::uint64_t index);
  /// The bytes of a hash tile or bundle of this checkpoint's size (tile_of, partial_tiles).
  Result<std::string> tile(TileName const& name);
  /// For a MerkleProver; the reader must outlive it.
  StoredHashes stored();

 private:
  LogReader(Disk& vault, Checkpoint checkpoint, std::string note, NoteKey key)
      : vault_(&vault), checkpoint_(std::move(checkpoint)), note_(std::move(note)), key_(std::move(key)) {}
  Result<void> open_partial_tiles();
  Result<void> follow_key();

  Disk* vault_;
  Checkpoint checkpoint_;
  std::string note_;
  NoteKey key_;
  std::map<std::string, DiskFile> partial_;  // by path, opened together
};

}  // namespace impound::evidence
