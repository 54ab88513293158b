// The idle-time pass: SHA-1 and MD5 of what was sealed with SHA-256 alone, while `watch` has nothing else to do.
//
// One object at a time is read again and hashed thrice, by a thread of the lowest priority that exists only while the
// caller waits. It stops within a block of 1 MiB when the wait ends and goes on in the middle of the file at the next;
// a run that ends leaves no trace, the next one begins from the log. Each exhibit of the object gets its
// `exhibit.digested`. Bytes that no longer have their SHA-256, or cannot be read, are told as `incident.raised` and get
// none: the next run looks again, and `verify` names them.
//
// One thread, the session's; what it starts touches nothing of the session but its disk and its recorder.
#pragma once

#include <optional>
#include <stop_token>
#include <thread>

#include "agent/work/session.h"
#include "evidence/open_file_hash.h"

namespace impound::agent {

class IdleDigests {
 public:
  explicit IdleDigests(Session& session) : session_(session), due_(session.past().digests()) {}

  /// Works until what it gives is destroyed, which waits for the thread. Nothing is due: no thread.
  [[nodiscard]] std::jthread begin();
  /// How the last pass went: an error is the recorder's. Not while one is at work.
  Result<void> outcome() const { return failed_ ? Result<void>(*failed_) : Result<void>(ok()); }

 private:
  struct Current {
    Sha256 sha256;
    DiskFile file;
    evidence::ThreeDigests digests;
  };
  void work(std::stop_token const& stop);
  Result<void> step();
  Result<void> open_next();
  Result<void> judge(evidence::HashedThrice const& hashed);
  Result<void> incident(Sha256 const& object, std::string const& detail);

  Session& session_;
  DigestsDue& due_;
  std::optional<Current> current_;
  std::vector<std::byte> block_;
  std::size_t incidents_ = 0;
  std::optional<Error> failed_;
};

}  // namespace impound::agent
