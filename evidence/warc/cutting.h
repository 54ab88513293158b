// Cuts records out of a WARC file: the file is written anew without their gzip members and takes the old one's name,
// closed (0400), so that nothing is ever appended to it again: then the places of its other records are what they were,
// less what was cut before them.
//
// A record is found by the SHA-256 of its gzip member, wherever it lies. Nobody may write to the file meanwhile, and
// every byte of it must be whole records (Code::malformed otherwise). One thread, the vault's holder.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "evidence/system/disk.h"
#include "evidence/values/digest.h"
#include "evidence/values/result.h"

namespace impound::evidence {

struct Cut {
  std::size_t records = 0;        // of those wanted gone, that are there
  Sha256 before;                  // of the file as it is
  std::optional<Sha256> after{};  // without them; absent when nothing is left
  std::uint64_t bytes_after = 0;
};

/// What cutting would do. Reads only.
Result<Cut> judge_cut(Disk& vault, std::string const& path, std::set<Sha256> const& records);

/// Durable on return. Records that are not there any more, or a file that is gone, are no error.
Result<void> cut_records(Disk& vault, std::string const& path, std::set<Sha256> const& records);

}  // namespace impound::evidence
