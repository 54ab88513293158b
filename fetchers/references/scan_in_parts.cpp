#include "fetchers/references/scan_in_parts.h"

#include <algorithm>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::size_t part_bytes = 4u << 20;
constexpr std::size_t overlap_bytes = 64u << 10;

}  // namespace

void ScanInParts::write(std::string_view text) {
  while (!text.empty()) {
    std::size_t const room = part_bytes + overlap_bytes - buffer_.size();
    buffer_.append(text.substr(0, room));
    text.remove_prefix(std::min(room, text.size()));
    if (buffer_.size() < part_bytes + overlap_bytes) return;
    std::size_t const end = buffer_.size() - overlap_bytes;  // what starts behind it belongs to the next part
    scan_buffer(end);
    // One overlap's worth before the cut is kept as well, so that a label in front of a bare hash stays in sight.
    std::size_t const keep_from = end - overlap_bytes;
    begin_ = std::max(end, begin_) - keep_from;
    base_ += keep_from;
    buffer_.erase(0, keep_from);
  }
}

void ScanInParts::finish() {
  scan_buffer(buffer_.size());
  base_ += buffer_.size();
  buffer_.clear();
  begin_ = 0;
}

/// Tells what begins between begin_ and `end`, and moves begin_ behind it.
void ScanInParts::scan_buffer(std::size_t end) {
  std::size_t told_until = begin_;
  for (Reference& reference : scan(buffer_, limits_)) {
    if (reference.offset < begin_ || reference.offset >= end) continue;
    told_until = std::max(told_until, reference.offset + reference.length);
    reference.offset += base_;
    tell_(std::move(reference));
  }
  begin_ = told_until;
}

}  // namespace impound::fetchers
