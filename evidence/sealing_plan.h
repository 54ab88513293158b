// A sealing plan's file, staging/sealing/<n>.plan: what recover() needs to carry a batch on. Two lines, each behind its
// own SHA-256, so that a line the power cut tore is seen:
//
//     <sha256 of the json> {"files":[{"arrival":…,"draft":{…},"size":9,"staged":"<hex>"},…],"v":1}
//     <sha256 of the json> {"digests":[[<index>,"<sha256>"],…]}
//
// The first is durable before any rename, the second after hashing.
// Paths are hex because a worker's file names are any bytes. Pure functions. Private to sealing.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/custody_entry.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct PlannedFile {
  std::string staged_path;
  std::uint64_t size = 0;
  std::optional<Sha256> arrival{};
  EntryDraft exhibit{};
};

using PlannedDigests = std::map<std::size_t, Sha256>;  // by index; a file that was refused has none

struct SealingPlan {
  std::vector<PlannedFile> files;
  std::optional<PlannedDigests> digests;  // none: the second line is not there, or torn
};

inline constexpr std::uint64_t plan_bytes_max = 128ull << 20;  // 1,000 drafts of 64 KiB and their paths

Result<std::string> plan_line(std::span<PlannedFile const> files);
Result<std::string> digests_line(PlannedDigests const& digests);

/// Nothing when the first line is torn: then no file was touched yet.
std::optional<SealingPlan> read_plan(std::string_view bytes);

std::string plan_path(std::uint64_t number);
std::string held_path(std::uint64_t number, std::size_t index);

}  // namespace impound::evidence
