// Who sent a torrent's blocks, as the journal has it: two bytes a block while its piece is under way, then runs of
// blocks from one sender.
//
// A sender gets a number with its first block; the numbers of an earlier worker go on. One thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace impound::fetchers {

/// A peer's address, IPv4 mapped into IPv6, and its port. With port 0 a web seed: the first 16 bytes of the SHA-256 of
/// its URL, as the torrent or magnet has it.
struct Sender {
  std::array<std::byte, 16> address{};
  std::uint16_t port = 0;
  auto operator<=>(Sender const&) const = default;
};

/// The number of whoever is not known: beyond so many, or of a block that an earlier worker wrote.
constexpr std::uint16_t sender_unknown = 0xffff;

struct SenderRun {
  std::uint16_t sender = sender_unknown;
  std::uint16_t blocks = 0;
  bool operator==(SenderRun const&) const = default;
};

/// Of a piece that failed: who sent so many blocks of it, one after the other; nobody for those that are not known.
struct LostRun {
  std::optional<Sender> from;
  std::uint64_t blocks = 0;
};

class Senders {
 public:
  /// Its number, and whether it is a new one.
  std::pair<std::uint16_t, bool> number_of(Sender const& sender) {
    if (auto const known = numbers_.find(sender); known != numbers_.end()) return {known->second, false};
    if (numbers_.size() == sender_unknown) return {sender_unknown, false};
    auto const number = static_cast<std::uint16_t>(numbers_.size());
    numbers_.emplace(sender, number);
    senders_.push_back(sender);
    return {number, true};
  }
  /// In the order of their numbers, as a journal has them.
  void go_on_from(std::vector<Sender> const& senders) {
    for (Sender const& one : senders) (void)number_of(one);
  }

  /// The latest wins: it is its bytes that are on the disk.
  void sent(std::size_t piece, std::size_t block, std::uint16_t sender) {
    auto& blocks = under_way_[piece];
    if (blocks.size() <= block) blocks.resize(block + 1, sender_unknown);
    blocks[block] = sender;
  }
  void forget(std::size_t piece) { under_way_.erase(piece); }
  /// The same as take(), by name.
  std::vector<LostRun> lose(std::size_t piece) {
    std::vector<LostRun> lost;
    for (SenderRun const& run : take(piece))
      lost.push_back({run.sender < senders_.size() ? std::optional{senders_[run.sender]} : std::nullopt, run.blocks});
    return lost;
  }
  /// The piece's, from its first block to the last that came; nothing is kept of it.
  std::vector<SenderRun> take(std::size_t piece) {
    std::vector<SenderRun> runs;
    for (std::uint16_t const sender : under_way_[piece]) {
      if (runs.empty() || runs.back().sender != sender || runs.back().blocks == 0xffff) runs.push_back({sender, 0});
      ++runs.back().blocks;
    }
    forget(piece);
    return runs;
  }

 private:
  std::map<Sender, std::uint16_t> numbers_;
  std::vector<Sender> senders_;  // by number
  std::map<std::size_t, std::vector<std::uint16_t>> under_way_;
};

}  // namespace impound::fetchers
