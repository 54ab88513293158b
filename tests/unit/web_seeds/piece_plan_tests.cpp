// Which pieces web seeds are asked for.
#include "fetchers/torrents/worker/web/piece_plan.h"

#include <doctest/doctest.h>

#include <random>

using namespace impound;
using namespace impound::fetchers;

namespace {

constexpr std::uint64_t length = 100;

/// Files of these sizes; negative ones are padding.
Metainfo torrent_of(std::vector<int> const& sizes, bool v2_alone = false) {
  Metainfo torrent;
  torrent.piece_length = length;
  if (!v2_alone) torrent.hashes.v1.emplace();
  torrent.hashes.v2.emplace();
  for (int const size : sizes) {
    TorrentFile file;
    file.size = static_cast<std::uint64_t>(size < 0 ? -size : size);
    file.pad = size < 0;
    torrent.files.push_back(file);
  }
  return torrent;
}

std::vector<bool> all(Metainfo const& torrent) { return std::vector<bool>(torrent.files.size(), true); }

std::pair<std::size_t, std::size_t> next(PiecePlan& plan, std::size_t seed, bool from_the_end, std::uint64_t bytes) {
  auto const run = plan.next(seed, from_the_end, bytes);
  return run ? std::pair{run->first, run->last} : std::pair{std::size_t{99}, std::size_t{99}};
}

using Run = std::pair<std::size_t, std::size_t>;

}  // namespace

TEST_CASE("runs go from the beginning, from the end beside peers, and nobody gets another's") {
  auto const torrent = torrent_of({1'000});
  PiecePlan plan(torrent, all(torrent), 3);
  CHECK(next(plan, 0, false, 300) == Run{0, 2});
  CHECK(next(plan, 1, false, 300) == Run{3, 5});
  CHECK(next(plan, 2, true, 200) == Run{8, 9});
  CHECK(next(plan, 2, true, 1'000) == Run{6, 7});
  CHECK(next(plan, 2, true, 100) == Run{99, 99});
  plan.give_back({4, 5});
  CHECK(next(plan, 2, true, 50) == Run{5, 5});  // one at least
  for (std::size_t piece = 0; piece < 10; ++piece) {
    CHECK(plan.is_open());
    plan.passed(piece);
  }
  CHECK_FALSE(plan.is_open());
}

TEST_CASE("what is there already, or not wanted, is not asked for") {
  auto const torrent = torrent_of({250, 250, 250, 250});
  PiecePlan plan(torrent, {false, true, false, true}, 1);
  plan.passed(3);
  CHECK(next(plan, 0, false, 10'000) == Run{2, 2});  // shared with the first
  CHECK(next(plan, 0, false, 10'000) == Run{4, 4});
  CHECK(next(plan, 0, false, 10'000) == Run{7, 9});
  CHECK_FALSE(plan.next(0, false, 10'000));
}

TEST_CASE("a file that a server lacks takes all its pieces along, for that server alone") {
  auto const torrent = torrent_of({250, 100, 250});
  PiecePlan plan(torrent, all(torrent), 2);
  plan.file_gone(0, 1);  // pieces 2 and 3
  CHECK(next(plan, 0, false, 10'000) == Run{0, 1});
  CHECK(next(plan, 0, false, 10'000) == Run{4, 5});
  CHECK(plan.has_use(0));  // of what is under way still
  for (std::size_t const piece : {0u, 1u, 4u, 5u}) plan.passed(piece);
  CHECK_FALSE(plan.has_use(0));
  CHECK(next(plan, 1, false, 10'000) == Run{2, 3});
}

TEST_CASE("a piece that does not hash is asked for once more, then never of that server") {
  auto const torrent = torrent_of({300});
  PiecePlan plan(torrent, all(torrent), 2);
  CHECK(next(plan, 0, false, 100) == Run{0, 0});
  plan.failed(0, 0);
  CHECK(next(plan, 0, false, 100) == Run{0, 0});
  plan.failed(0, 0);
  CHECK(next(plan, 0, false, 100) == Run{1, 1});
  CHECK(next(plan, 1, false, 100) == Run{0, 0});
}

TEST_CASE("without ranges a run goes to the end of the file in which it begins") {
  auto const torrent = torrent_of({450, 300, 250});
  PiecePlan plan(torrent, all(torrent), 1);
  plan.knows_no_ranges(0);
  CHECK(next(plan, 0, true, 100) == Run{0, 4});
  CHECK(next(plan, 0, true, 100) == Run{5, 7});
  CHECK(next(plan, 0, true, 100) == Run{8, 9});
}

TEST_CASE("parts: one a file, padding as zeros, and in v2 the padding that nobody lists") {
  auto const hybrid = torrent_of({150, -50, 100});
  PiecePlan plan(hybrid, all(hybrid), 1);
  auto const parts = plan.parts(0, {0, 2});
  REQUIRE(parts.size() == 3);
  CHECK((parts[0].file == 0 && parts[0].offset == 0 && parts[0].size == 150));
  CHECK((!parts[1].file && parts[1].size == 50));
  CHECK((parts[2].file == 2 && parts[2].size == 100));
  auto const second = plan.parts(0, {1, 1});
  CHECK((second[0].file == 0 && second[0].offset == 100 && second[0].size == 50));

  auto const v2 = torrent_of({150, 0, 20}, true);
  PiecePlan other(v2, all(v2), 1);
  CHECK(other.stream().map.pieces() == 3);
  CHECK(other.stream().map.piece_size(2) == length);
  auto const all_parts = other.parts(0, {0, 2});
  REQUIRE(all_parts.size() == 4);
  CHECK((!all_parts[1].file && all_parts[1].size == 50));
  CHECK((all_parts[2].file == 2 && all_parts[2].size == 20));
  CHECK((!all_parts[3].file && all_parts[3].size == 80));
}

TEST_CASE("padding that is only named so is zeros where the server does not have it") {
  auto const torrent = torrent_of({150, 50, 100});
  PiecePlan plan(torrent, all(torrent), 1);
  plan.file_is_zeros(0, 1);
  auto const parts = plan.parts(0, {0, 2});
  REQUIRE(parts.size() == 3);
  CHECK((!parts[1].file && parts[1].size == 50));
}

TEST_CASE("whatever happens: each piece has one holder, and all are asked for in the end") {
  for (unsigned round = 0; round < 200; ++round) {
    std::mt19937 random{round};
    auto const pick = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
    std::vector<int> sizes;
    for (std::size_t i = 0; i < 1 + pick(12); ++i) sizes.push_back(static_cast<int>(pick(700)));
    sizes.push_back(1);
    auto const torrent = torrent_of(sizes, pick(2) == 0);
    PiecePlan plan(torrent, all(torrent), 3);
    std::vector<int> holder(plan.stream().map.pieces(), -1);
    if (pick(2) == 0) plan.file_gone(0, pick(sizes.size()));
    unsigned steps = 0;
    while (plan.is_open()) {
      REQUIRE(++steps < 10'000);
      std::size_t const seed = pick(3);
      auto const run = plan.next(seed, pick(2) == 0, 1 + pick(600));
      if (!run) continue;
      std::uint64_t bytes = 0;
      for (auto const& part : plan.parts(seed, *run)) bytes += part.size;
      std::uint64_t pieces = 0;
      for (std::size_t piece = run->first; piece <= run->last; ++piece) {
        CHECK(holder[piece] == -1);
        CHECK_FALSE(plan.has(piece));
        pieces += plan.stream().map.piece_size(piece);
        if (pick(8) == 0)
          plan.give_back({piece, piece});
        else
          plan.passed(piece);
      }
      CHECK(bytes == pieces);
    }
  }
}
