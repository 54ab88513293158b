// A capture: one URL asked for, every hop kept as WARC records, told in exactly one capture.result.
//
// The attempt is durable before the first packet leaves; the records are durable before the result names them. What is
// not worth keeping (`keep` says no) leaves its digests in the result and no record. One thread: the session's. Gap:
// between the answer and the WARC record the body is held in memory, so a crash there costs this capture: its attempt
// is closed as interrupted at the next start and the item is asked for again.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/settings/settings.h"
#include "agent/work/routes.h"
#include "agent/work/session.h"
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
  std::string media_type{};  // as the server claims it; "" when it claims nothing
};

class Captures {
 public:
  Captures(Session& session, Settings const& settings, RoutedClients& clients, std::function<bool()> cancelled);

  /// `judge` may take usable back (a site's sentence that is no content) and says whether the exchange is kept.
  Result<Captured> capture(CaptureOrder const& order, std::function<bool(Captured&)> const& judge);

 private:
  Result<Json> keep(std::vector<fetchers::Exchange> const& hops);

  Session& session_;
  Settings const& settings_;
  RoutedClients& clients_;
  std::function<bool()> cancelled_;
};

}  // namespace impound::agent
