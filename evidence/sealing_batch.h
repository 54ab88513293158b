// The files of one batch on their way, shared by sealing.cpp and sealing_recovery.cpp. Private to sealing.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "evidence/open_file_hash.h"
#include "evidence/sealing.h"
#include "evidence/sealing_plan.h"

namespace impound::evidence {

struct Sealing::Item {
  PlannedFile const* planned = nullptr;
  SealedFile outcome{};
  std::string held{};                     // where the bytes to seal lie now
  std::optional<std::string> original{};  // beside a copy: the file it was made of, dropped at the end
  std::shared_ptr<HashedFile> hashed{};   // by the caller
  DiskFile file{};
  FileFacts facts{};
  bool leased = false;
  bool in_objects = false;
  bool left_out = false;  // refused, given back or logged already: takes no part any more
};

struct Sealing::Batch {
  std::uint64_t number = 0;
  std::vector<PlannedFile> files{};
  std::vector<Item> items{};
  DiskFile plan{};
  std::uint64_t plan_bytes = 0;
  std::vector<std::byte> buffer = std::vector<std::byte>(1 << 20);
  std::set<std::string> touched{};  // folders of objects/ to sync
  unsigned lease_waits = 0;         // of all its files
  unsigned open_waits = 0;
  std::vector<std::string> to_drop{};  // once these are synced: bytes that are in objects/ already

  void make_items() {
    items.resize(files.size());
    for (std::size_t i = 0; i < files.size(); ++i) {
      items[i].planned = &files[i];
      items[i].outcome.staged_path = files[i].staged_path;
      items[i].held = held_path(number, i);
    }
  }
};

inline std::string copy_path(std::string const& held) { return held + ".copy"; }

}  // namespace impound::evidence
