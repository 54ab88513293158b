// In which order a torrent's pieces are asked for: one after the other, so that its files are whole early, or the
// rarest first, while it may be lost piece by piece.
//
// Rarest first when two or more have pieces and fewer than two whole copies are in sight: then each of them may leave
// with what nobody else has. A lone source is asked in order, for whoever it is, all depends on it. Back in order once
// two whole copies have been in sight for a while: peers come and go, and each change of mind costs half-done pieces.
// What peers say they have is believed: a liar changes the order and nothing else.
//
// `Gap:` libtorrent counts copies over all pieces, ours and unwanted ones among them.
// The decision is pure, without a clock of its own; order_pieces() is for the worker's main thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

namespace impound::fetchers {

struct TorrentJob;

struct CopiesInSight {
  std::size_t peers = 0;            // that have pieces
  std::optional<unsigned> whole{};  // copies of the torrent among them and us; absent: not known
  std::size_t web_seeds = 0;        // that answer: each has a copy
};

struct PieceOrderLimits {
  std::chrono::seconds rarest_after{1};
  std::chrono::seconds in_order_after{30};
};

class PieceOrder {
 public:
  explicit PieceOrder(PieceOrderLimits const& limits = {}) : limits_(limits) {}

  /// Takes what is in sight at `now`; true when the order has changed.
  bool see(CopiesInSight const& sight, std::chrono::steady_clock::time_point now);
  bool rarest_first() const { return rarest_first_; }

 private:
  PieceOrderLimits limits_;
  bool rarest_first_ = false;
  std::optional<std::chrono::steady_clock::time_point> otherwise_since_{};  // the other order would be right
};

/// Looks at most every second and tells libtorrent of a change. `web_seeds`: of this torrent, that answer.
void order_pieces(TorrentJob& job, std::chrono::steady_clock::time_point now, std::size_t web_seeds);

}  // namespace impound::fetchers
