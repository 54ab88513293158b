// A torrent's web seeds at work: who is asked for what next, what each is worth, and when there is nobody left to ask.
//
// At most `lines_max` are asked at a time, each by a thread of its own (web_line.h); those that fail make room for the
// others. A server that fails is asked again with growing gaps, 1 s to 64 s, or as it wishes, at most 10 minutes, and
// for its other files first; after seven failures in a row without 16 KiB it counts as dead, and is asked once in ten
// minutes as long as the torrent goes on for other reasons. A file that a server does not have, or has otherwise than
// the torrent, is never asked of it again; twenty such in a row count as a failure. One that is named like padding and
// is not there is taken for zeros, and the piece's hash judges. A piece that does not hash is asked for once more,
// since a peer may have sent a part of it; a server of whose pieces many fail and none passes is let be.
//
// The owner hands in which pieces passed and which did not hash, and takes pieces and exchanges. One thread; no clock
// of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/torrents/worker/web/piece_plan.h"
#include "fetchers/torrents/worker/web/web_line.h"

namespace impound::fetchers {

/// What one was good for.
struct WebSeedTally {
  std::string url;
  std::uint64_t pieces = 0;  // that passed
  std::uint64_t bytes = 0;   // of these
  std::uint64_t failed_pieces = 0;
  std::uint64_t failures = 0;       // exchanges, or runs of them, that gave nothing
  std::string last;                 // what came of the last one; "" for good
  std::set<std::size_t> gone{};     // files of Metainfo that it does not have
  std::set<std::size_t> differs{};  // that it has otherwise than the torrent
};

class WebSeeding {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `torrent` must outlive it. `wanted`: of each of its files.
  WebSeeding(Metainfo const& torrent, std::vector<bool> const& wanted, std::vector<WebSeed> const& seeds,
             std::shared_ptr<WebWay const> way);

  struct Piece {
    std::size_t seed = 0;
    FetchedPiece fetched;
  };

  /// What came; and what is asked for next, if the owner says so. `peers_give`: the torrent has payload from elsewhere.
  std::vector<Piece> take(Time now);
  std::vector<WebExchange> take_exchanges();
  void ask(Time now, bool peers_give);
  /// What is under way ends; nothing is asked for until ask() is called again.
  void pause();

  void passed(std::size_t piece);
  /// False when no web seed sent it.
  bool failed(std::size_t piece);
  /// In the owner's hands, and neither passed nor failed.
  bool in_flight(std::size_t piece) const { return in_flight_.contains(piece); }

  /// None of them can give anything that is missing, now or soon.
  bool nobody_left() const;
  std::size_t asked_now() const;
  /// Bytes of payload as they came; those of pieces that did not hash are taken off again.
  std::uint64_t received() const;
  /// Bytes of pieces that passed.
  std::uint64_t bytes() const { return bytes_; }
  std::string const& url(std::size_t seed) const { return seeds_[seed].tally.url; }
  /// Of each that was ever asked, in the torrent's order.
  std::vector<WebSeedTally> tallies() const;
  PiecePlan const& plan() const { return plan_; }

  static constexpr std::size_t seeds_max = 20;  // of a torrent
  static constexpr std::size_t lines_max = 4;
  static constexpr std::uint64_t in_flight_max = 32u << 20;  // beyond it nobody else is asked
  static constexpr std::uint64_t run_bytes_min = 1u << 20;
  static constexpr std::uint64_t run_bytes_max = 32u << 20;

 private:
  struct Seed {
    WebSeed named;
    WebSeedTally tally;
    std::unique_ptr<WebLine> line{};  // once it was asked
    std::optional<PieceRun> run{};    // that it has
    std::size_t fetched_to = 0;       // of that, before this
    bool fetched_something = false;   // of that
    unsigned failures = 0;            // in a row
    Time not_before{};
    bool asked = false;
    bool dismissed = false;                // for good
    std::optional<std::size_t> suspect{};  // the file in which pieces failed last
    unsigned suspicion = 0;                // pieces of it, in a row
    unsigned misses = 0;                   // files that were no good, since the last piece
    unsigned wrong = 0;                    // pieces that did not hash twice, since the last that did
  };
  struct InFlight {
    std::size_t seed = 0;
    std::uint64_t bytes = 0;
    Time since{};
  };
  void give_up_waiting(Time now);
  void end_order(Seed& seed, std::size_t number, OrderEnd const& end, Time now);
  bool lose_file(Seed& seed, std::size_t number, std::size_t file, bool differs);
  void put_off(Seed& seed, OrderEnd const& end, Time now);
  std::optional<WebOrder> order(Seed const& seed, std::size_t number, PieceRun run) const;
  std::optional<InFlight> land(std::size_t piece);

  Metainfo const& torrent_;
  std::shared_ptr<WebWay const> way_;
  PiecePlan plan_;
  std::vector<Seed> seeds_;
  std::map<std::size_t, InFlight> in_flight_;
  std::vector<WebExchange> exchanges_;
  std::uint64_t bytes_ = 0;
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t failed_bytes_ = 0;
};

}  // namespace impound::fetchers
