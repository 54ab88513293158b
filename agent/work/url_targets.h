// What a URL that a person names leads to: it is captured like everything that comes over HTTP, and is a .torrent
// itself or a page, whose references are told and may be followed. Each is begun and told later, by the capture group's
// run(). One thread: the session's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/work/capture_group.h"
#include "agent/work/found_references.h"
#include "agent/work/page_reader.h"
#include "agent/work/session.h"
#include "agent/work/target.h"
#include "fetchers/reading/page_facts.h"
#include "fetchers/url.h"

namespace impound::agent {

class UrlTargets {
 public:
  /// `say`: a line for the person.
  UrlTargets(Session& session, Settings const& settings, CaptureGroup& captures, PageReader& reader,
             std::function<void(std::string const&)> say)
      : session_(session), settings_(settings), captures_(captures), reader_(reader), say_(std::move(say)) {}

  /// By whom, and for which case.
  struct Asker {
    evidence::By by;
    std::optional<CaseName> case_name;
  };
  /// A page, and what it names.
  struct Page {
    fetchers::Url url;
    EntryId told;  // reference.found
    Acquirable named;
  };
  using Found = std::variant<TorrentTarget, Page>;
  /// Its errors are everybody's, as CaptureWish has it.
  template <class What>
  using Then = std::function<Result<void>(Result<What>)>;
  /// `then` hears Code::unreachable when the URL gave no content, Code::not_found when the page names nothing that
  /// could be acquired (it is captured all the same). Errors of the log are Code::io and the like: they end the run.
  Result<void> look(fetchers::Url const& url, Asker const& asker, Then<Found> then);
  /// The .torrent behind a page's link, captured because of it. `then` hears Code::unreachable or Code::malformed when
  /// there is none.
  Result<void> link(fetchers::Url const& url, Page const& page, Asker const& asker, Then<TorrentTarget> then);
  /// Whether what a page names is acquired where nobody can be asked: as the source has it whose site this is.
  bool acquired_by_settings(fetchers::Url const& url) const;

 private:
  /// What came of a URL, until it is told.
  struct Looked {
    Result<TorrentTarget> torrent = Error{};
    fetchers::PageFacts page{};
    Result<void> read = ok();
  };
  void judge(Captured& answer, Looked& came);
  Result<Found> found(fetchers::Url const& url, Asker const& asker, Captured const& captured, Looked& came);
  Result<TorrentTarget> linked(fetchers::Url const& url, Asker const& asker, Captured& captured);

  Session& session_;
  Settings const& settings_;
  CaptureGroup& captures_;
  PageReader& reader_;
  std::function<void(std::string const&)> say_;
};

/// Code::refused with what to do: a page's torrents that nobody said yes to.
Error not_acquired(UrlTargets::Page const& page);

}  // namespace impound::agent
