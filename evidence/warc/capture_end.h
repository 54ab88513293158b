// How the metadata record that ends a capture says so, for a start after a crash that has the capture's records in a
// WARC file and no capture.result: which attempt they answer, and what the result would have said.
//
//     {"attempt":"<id of capture.attempt>",…,"capture":{"records":3,"result":{"outcome":…,"url":…,"kept":true,…}}}
//
// `records` counts the capture's records with this one, without what the file needed first. A block of an application/
// json metadata record, canonical JSON. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "evidence/formats/canonical_json.h"
#include "evidence/values/entry_id.h"

namespace impound::evidence {

inline constexpr std::size_t capture_end_bytes_max = 64 * 1024;  // of the block

struct CaptureEnd {
  EntryId attempt;
  std::uint64_t records = 0;
  Json result;  // the body of its capture.result, without `records`
};

void add_capture_end(Json& metadata, CaptureEnd const& end);
/// Nothing for a block that ends no capture.
std::optional<CaptureEnd> capture_end_from(std::string_view block);

}  // namespace impound::evidence
