// What pages hold, as the reader worker says it, and the log's word of a worker that went.
//
// The agent itself reads no list and scans no page: each goes as sealed memory to impound-reader-worker
// (fetchers/reading/reader.h). One thread: the session's.
#pragma once

#include "agent/service/terminal.h"
#include "agent/work/capture.h"
#include "agent/work/session.h"
#include "agent/work/watched_source.h"
#include "fetchers/reading/reader.h"

namespace impound::agent {

class PageReader {
 public:
  PageReader(Session& session, Terminal& terminal);

  /// The source's list in an answer to it. Code::malformed and the like, as the reader names it, when there is none;
  /// Result's error ends the run: the log takes no more.
  Result<fetchers::PageFacts> list(WatchedSource const& source, fetchers::Exchange const& answer);
  /// What an item of the source holds.
  Result<fetchers::PageFacts> item(WatchedSource const& source, Captured const& captured);
  /// The same of any page.
  Result<fetchers::PageFacts> page(Captured const& captured) { return read(captured, nullptr); }
  /// input.refused for what of a capture was not read; nothing where all of it was.
  Result<void> tell_refused(std::optional<CaseName> const& case_name, Captured const& captured,
                            fetchers::PageFacts const& facts);

 private:
  Result<fetchers::PageFacts> read(Captured const& captured, fetchers::SiteProfile const* profile);
  Result<void> tell_ended();

  Session& session_;
  Terminal& terminal_;
  fetchers::Reader reader_;
};

/// "bomb: more than 200 bytes …; list: it is no JSON", "" where nothing was refused.
std::string refusals_text(fetchers::PageFacts const& facts);

}  // namespace impound::agent
