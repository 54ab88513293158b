// What a person wants fetched, target by target: begun here, whether the asking process has the vault or another that
// holds it. A URL is captured first; what a page names is followed where `wants` says so. One thread: the session's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/work/acquisition.h"
#include "agent/work/fetch_talk.h"
#include "agent/work/target.h"
#include "agent/work/url_targets.h"

namespace impound::agent {

/// How all targets of one order are to be done.
struct FetchWish {
  UrlTargets::Asker asker;
  std::vector<std::string> peers;  // --peer HOST:PORT
  bool metadata_only = false;
  std::optional<std::chrono::seconds> timeout{};
};

class FetchTargets {
 public:
  /// `asks_dht`: for targets that name nobody. All must outlive it but `wish`.
  FetchTargets(Acquisitions& acquisitions, UrlTargets& urls, FetchTalk& talk, FetchWish wish, bool asks_dht,
               std::function<bool(UrlTargets::Page const&)> wants, std::function<bool()> interrupted)
      : acquisitions_(acquisitions),
        urls_(urls),
        talk_(talk),
        wish_(std::move(wish)),
        asks_dht_(asks_dht),
        wants_(std::move(wants)),
        interrupted_(std::move(interrupted)) {}

  /// An error is this target's; of_the_log() tells those that are everybody's. What comes of a URL later is told by the
  /// talk: of one that gives nothing, and of each link of a page that gives nothing, that it failed.
  Result<void> begin(Target const& target);
  /// URLs whose answers, or whose links' answers, are still to come.
  bool waits() const { return waiting_ > 0; }
  /// An interruption came before all of a target was begun.
  bool cut() const { return cut_; }

 private:
  /// A page whose links are captured one after the other.
  struct Followed {
    UrlTargets::Page page;
    std::size_t next = 0;
  };
  Result<void> take(UrlTargets::Found found);
  Result<void> follow(std::shared_ptr<Followed> const& followed);
  /// Of a target's own: told, and nobody else's matter. Any other is handed on.
  Result<void> told(Result<void> done);
  Result<void> begin(TorrentTarget torrent, std::optional<EntryId> const& cause);

  Acquisitions& acquisitions_;
  UrlTargets& urls_;
  FetchTalk& talk_;
  FetchWish wish_;
  bool asks_dht_;
  std::function<bool(UrlTargets::Page const&)> wants_;
  std::function<bool()> interrupted_;
  std::size_t waiting_ = 0;
  bool cut_ = false;
};

/// The log's own failure is no target's and no order's: the session ends of it.
bool of_the_log(Error const& error);

}  // namespace impound::agent
