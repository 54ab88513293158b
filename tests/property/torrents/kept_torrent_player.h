// Plays libtorrent to a KeptTorrent: a payload, who fetches it, and what must then be there.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "fetchers/torrents/worker/disk/kept_torrent.h"
#include "tests/support/simulated_disk.h"

namespace impound::fetchers::test {

inline std::string random_text(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::string text(count, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

inline Bytes raw(std::string_view text) { return std::as_bytes(std::span{text.data(), text.size()}); }

/// A torrent with its payload: files that share pieces, an empty one, a pad file, and one of several pieces.
struct Payload {
  std::uint64_t piece_length = 64u << 10;
  std::vector<StoredFile> files{{100, false},    {0, false}, {150'000, false}, {46'508, true},
                                {70'000, false}, {1, false}, {5'000, false}};
  std::vector<std::string> bytes;
  std::string stream;
  PieceMap map{piece_length, files};

  explicit Payload(std::uint64_t seed) {
    for (auto const& file : files) {
      bytes.push_back(file.pad ? std::string(file.size, '\0') : random_text(file.size, seed + bytes.size()));
      stream += bytes.back();
    }
  }
  std::string piece(std::size_t index) const { return stream.substr(index * piece_length, map.piece_size(index)); }
  bool only_pad(std::size_t piece_index, std::uint64_t start, std::uint64_t size) const {
    auto const spans = map.spans(piece_index, start, size);
    return std::all_of(spans.begin(), spans.end(), [](PieceSpan const& span) { return span.pad; });
  }
};

inline Sha256 const identity = sha256(raw("this torrent"));

struct Block {
  std::size_t piece;
  std::uint64_t start;
  std::uint64_t size;
};

inline std::vector<Block> blocks_of(Payload const& payload, std::size_t piece) {
  std::vector<Block> blocks;
  for (std::uint64_t at = 0; at < payload.map.piece_size(piece); at += block_bytes) {
    auto const size = std::min(block_bytes, payload.map.piece_size(piece) - at);
    if (!payload.only_pad(piece, at, size)) blocks.push_back({piece, at, size});
  }
  return blocks;
}

/// Plays libtorrent: asks for what is there, judges it, and fetches the rest in an order of the seed's choice.
/// Batches are carried out when the seed says so, late or at once, in their order.
struct Player {
  Payload const& payload;
  KeptTorrent& kept;
  std::mt19937_64 random;
  Disk& disk;
  std::vector<bool> have = std::vector<bool>(payload.map.pieces());
  std::vector<bool> wanted = std::vector<bool>(payload.map.pieces(), true);
  std::deque<Batch> late{};

  bool right(std::size_t piece, PieceHashes const& hashes) const {
    return hashes.v1 && *hashes.v1 == sha1(raw(payload.piece(piece)));
  }

  Result<void> judge(std::size_t piece) {
    IMPOUND_TRY(hashes, kept.hash(piece, {true, 0}));
    have[piece] = right(piece, hashes);
    have[piece] ? kept.passed(piece) : void(kept.failed(piece));
    return ok();
  }

  void batches() {
    if (random() % 2 == 0) kept.catch_up();
    if (random() % 4 == 0) {
      if (auto batch = kept.take_batch()) late.push_back(std::move(*batch));
    }
    if (!late.empty() && random() % 3 == 0) carry_out_next();
  }
  void carry_out_next() {
    auto const batch = std::move(late.front());
    late.pop_front();
    kept.batch_ended(carry_out(disk, batch), batch.finished);
  }

  void carry_out_late() {
    while (!late.empty()) carry_out_next();
  }

  Result<void> begin(KeptTorrent::Journal journal = KeptTorrent::Journal::believed) {
    IMPOUND_TRY(something, kept.open(journal));
    for (std::size_t i = 0; something && i < have.size(); ++i) {
      IMPOUND_TRY(hashes, kept.hash(i, {true, 0}));
      have[i] = right(i, hashes);
      if (have[i]) kept.passed(i);
    }
    return ok();
  }

  Result<void> fetch(bool shuffled, bool lies) {
    auto const missing = [this](std::size_t piece) { return wanted[piece] && !have[piece]; };
    while (true) {
      std::vector<Block> blocks;
      for (std::size_t i = 0; i < have.size(); ++i) {
        if (!missing(i)) continue;
        auto const of_piece = blocks_of(payload, i);
        blocks.insert(blocks.end(), of_piece.begin(), of_piece.end());
      }
      if (blocks.empty()) break;
      if (shuffled) std::shuffle(blocks.begin(), blocks.end(), random);
      std::vector<std::size_t> left(have.size());
      for (auto const& block : blocks) ++left[block.piece];
      for (auto const& block : blocks) {
        auto bytes = payload.piece(block.piece).substr(block.start, block.size);
        if (lies && random() % 8 == 0) bytes[random() % bytes.size()] ^= 1;
        IMPOUND_CHECK(kept.write(block.piece, block.start, raw(bytes)));
        if (--left[block.piece] == 0) IMPOUND_CHECK(judge(block.piece));
        batches();
      }
    }
    carry_out_late();
    while (kept.behind()) kept.catch_up();
    return kept.commit();
  }
};

inline void check_whole(Disk& disk, Payload const& payload, KeptTorrent& kept) {
  for (std::size_t i = 0; i < payload.files.size(); ++i) {
    if (payload.files[i].pad) continue;
    CAPTURE(i);
    REQUIRE(kept.digest(i));
    CHECK(*kept.digest(i) == sha256(raw(payload.bytes[i])));
    if (payload.files[i].size == 0) continue;
    auto const content = read_whole(disk, "job/" + numbered_file(i), 1u << 20);
    REQUIRE(content);
    CHECK(content.value() == payload.bytes[i]);
  }
}

/// No have-bit without its bytes: whatever passes is on this disk as it should be.
inline void check_have(SimulatedDisk& disk, Payload const& payload, Player const& player) {
  for (std::size_t piece = 0; piece < player.have.size(); ++piece) {
    if (!player.have[piece]) continue;
    for (auto const& span : payload.map.spans(piece, 0, payload.piece_length)) {
      if (span.pad) continue;
      auto const content = disk.content("job/" + numbered_file(span.file));
      CAPTURE(piece);
      REQUIRE(content.size() >= span.offset + span.size);
      CHECK(content.substr(span.offset, span.size) == payload.bytes[span.file].substr(span.offset, span.size));
    }
  }
}

}  // namespace impound::fetchers::test
