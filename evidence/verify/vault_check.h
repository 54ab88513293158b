// The whole vault held against its log, and the log against its signature: both ways, every byte.
//
// Reads only, follows no link, and ends with a Verdict whatever lies there; every size is bounded. It shares the
// readers of bytes with what wrote the vault (notes, tile names, canonical JSON), and none of its logic: tiles, roots
// and what each entry names are worked out again. It goes on after the first problem.
//
// In order: vault.toml · the checkpoint and its signature · the log, entry by entry, with every tile and every
// checkpoint that anybody holds · objects, on all cores · WARC files · time-stamps · files where none belong.
//
// Beside a running writer (`held_by_writer`) the vault grows while it is read. What the checkpoint does not name is
// collected, then judged by a checkpoint that is at least 5 s newer: `wait_for_newer` waits so long (tests: does what
// they like). May be called from any thread; `progress` is called by one thread at a time. The Disk must allow several
// threads, or `threads` be 1.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/verify/verdict.h"

namespace impound::evidence {

struct VerifyOptions {
  std::optional<std::string> vkey;  // of the log; without it the vault's own key is trusted, and a note says so
  bool log_only = false;
  std::vector<std::string> old_checkpoints;  // signed notes that somebody kept
  std::vector<std::string> tsa_roots_pem;    // of time-stamping authorities; without them those kept beside the tokens
  Disk* state = nullptr;                     // STATE, for its last-checkpoint
  bool held_by_writer = false;
  unsigned threads = 0;  // 0: one for each core
  /// Bytes hashed since the last call, and how many there are in all.
  std::function<void(std::uint64_t bytes, std::uint64_t all)> progress;
  /// True ends the verification soon, whatever it is at; asked from all its threads.
  std::function<bool()> cancelled;
  std::function<void()> wait_for_newer;  // beside a running writer; without it what is not named is not judged
};

Verdict verify_vault(Disk& vault, VerifyOptions const& options);

}  // namespace impound::evidence
