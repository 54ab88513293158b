// A capture: one URL asked for, every hop kept as WARC records, told in exactly one capture.result. What does it, many
// at once: agent/work/capture_group.h.
//
// The attempt is durable before the first packet leaves; the records are durable before the result names them. What is
// not worth keeping (`keep` says no) leaves its digests in the result and no record. One thread: the session's. A crash
// behind the records and before the result costs nothing: the next start adopts the records, and the item is asked for
// once more, because nobody has followed what it names. Gap: between the answer and the WARC records the body is held
// in memory, so a crash there costs this capture: its attempt is closed as interrupted at the next start and the item
// is asked for again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/settings/settings.h"
#include "evidence/custody_entry.h"
#include "evidence/values/case_name.h"
#include "evidence/values/entry_id.h"
#include "fetchers/http/client.h"

namespace impound::agent {

/// What is to be captured, and what is known of it beforehand.
struct CaptureOrder {
  fetchers::Url url;
  std::string route{};                          // of the settings, "" for the default
  std::optional<fetchers::Exemption> exempt{};  // the operator's own word
  std::string source{};
  std::string key{};
  std::string title{};
  std::string author{};
  std::optional<std::int64_t> published_us{};
  std::optional<CaseName> case_name{};
  std::optional<EntryId> cause{};
  std::optional<evidence::By> by{};
};

struct Captured {
  std::optional<EntryId> result{};  // set once it is recorded
  bool usable = false;              // an answer with status 200, whole, that is content
  std::string problem{};            // why not
  std::uint64_t references = 0;     // found in it, when `judge` counted them
  int status = 0;
  std::string body{};  // transfer coding undone
  std::string final_url{};
  std::string media_type{};      // as the server claims it; "" when it claims nothing
  std::string detected_type{};   // by its bytes, as the reader says it; "" unknown
  std::string charset{};         // the same; "" for what is no text
  std::string base{};            // what its relative links are relative to, by its own word; "" for final_url
  std::string content_coding{};  // the same; the body still has it
};

/// As the settings have captures asked: certificates kept, and how they are trusted.
fetchers::HttpRequest capture_request(Settings const& settings, fetchers::Url const& url,
                                      std::optional<fetchers::Exemption> const& exempt);

}  // namespace impound::agent
