// The last part of a swarm record: which block of 16 KiB came from whom, as runs over the whole torrent, and each
// sender's sum.
//
// Senders are numbered by what they sent, most first, so that the numbers that come often are the short ones: 590,000
// blocks of a hundred senders mixed at random make less than 2 MB. Beyond `runs_max` the blocks are only counted.
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "fetchers/torrents/swarm_record.h"

namespace impound::fetchers {

struct DeliveryLimits {
  std::size_t runs_max = 8'000'000;  // 64 MB of memory, and at most 40 MB of a record
};

class DeliveryTable {
 public:
  static constexpr std::uint32_t nobody = 0xffff'ffff;   // it is there, and nobody knows from whom
  static constexpr std::uint32_t nothing = 0xffff'fffe;  // nothing is known to be there

  DeliveryTable(std::vector<RecordAddress> senders, DeliveryLimits limits) : limits_(limits) {
    for (RecordAddress const& at : senders) senders_.push_back({at, 0, 0});
  }

  /// The next blocks in the torrent's order: `sender` by its place in the list, nobody or nothing; `bytes` of payload.
  void add(std::uint32_t sender, std::uint64_t blocks, std::uint64_t bytes);

  /// Its items in their order, and what found no room in them.
  void tell(std::uint64_t piece_length, std::uint64_t pieces, RecordLeftOut& left_out,
            std::function<void(RecordItem)> const& item) const;

 private:
  struct Run {
    std::uint32_t sender;
    std::uint32_t blocks;
  };

  DeliveryLimits limits_;
  std::vector<RecordSenders::Row> senders_;
  RecordSenders::Row unknown_{};
  RecordSenders::Row absent_{};
  std::vector<Run> runs_;
  std::uint64_t blocks_left_out_ = 0;
};

}  // namespace impound::fetchers
