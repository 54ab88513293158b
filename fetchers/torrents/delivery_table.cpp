#include "fetchers/torrents/delivery_table.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace impound::fetchers {

void DeliveryTable::add(std::uint32_t sender, std::uint64_t blocks, std::uint64_t bytes) {
  if (blocks == 0) return;
  if (sender >= senders_.size() && sender != nothing) sender = nobody;
  RecordSenders::Row& row = sender == nothing ? absent_ : sender == nobody ? unknown_ : senders_[sender];
  row.blocks += blocks;
  row.bytes += bytes;
  constexpr std::uint64_t run_max = std::numeric_limits<std::uint32_t>::max();
  while (blocks > 0) {
    bool const goes_on =
        !runs_.empty() && blocks_left_out_ == 0 && runs_.back().sender == sender && runs_.back().blocks < run_max;
    if (!goes_on && (blocks_left_out_ > 0 || runs_.size() == limits_.runs_max)) {
      blocks_left_out_ += blocks;
      return;
    }
    if (!goes_on) runs_.push_back({sender, 0});
    auto const part = std::min(blocks, run_max - runs_.back().blocks);
    runs_.back().blocks += static_cast<std::uint32_t>(part);
    blocks -= part;
  }
}

void DeliveryTable::tell(std::uint64_t piece_length, std::uint64_t pieces, RecordLeftOut& left_out,
                         std::function<void(RecordItem)> const& item) const {
  std::vector<std::uint32_t> order(senders_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [this](std::uint32_t one) { return senders_[one].blocks == 0; });  // their pieces all failed
  std::stable_sort(order.begin(), order.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return senders_[a].blocks > senders_[b].blocks; });
  RecordTable table{piece_length,
                    pieces,
                    unknown_.blocks + absent_.blocks,
                    unknown_.bytes + absent_.bytes,
                    order.size(),
                    unknown_.blocks,
                    unknown_.bytes,
                    absent_.blocks,
                    absent_.bytes};
  std::vector<std::uint64_t> numbers(senders_.size());
  RecordSenders senders{record_first_sender, {}};
  std::vector<RecordSenders> all;
  for (std::size_t i = 0; i < order.size(); ++i) {
    RecordSenders::Row const& row = senders_[order[i]];
    numbers[order[i]] = record_first_sender + i;
    table.blocks += row.blocks;
    table.bytes += row.bytes;
    senders.rows.push_back(row);
    if (senders.rows.size() < record_row_senders_max && i + 1 < order.size()) continue;
    std::uint64_t const next = senders.first + senders.rows.size();
    all.push_back(std::exchange(senders, {next, {}}));
  }
  item(table);
  for (auto& part : all) item(std::move(part));
  RecordBlocks blocks;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    auto const [sender, count] = runs_[i];
    blocks.runs.emplace_back(sender == nothing  ? record_absent
                             : sender == nobody ? record_unknown
                                                : numbers[sender],
                             count);
    at += count;
    if (blocks.runs.size() == record_runs_max || i + 1 == runs_.size()) item(std::exchange(blocks, {at, {}}));
  }
  left_out.blocks += blocks_left_out_;
}

}  // namespace impound::fetchers
