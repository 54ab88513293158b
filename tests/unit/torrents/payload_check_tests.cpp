// Payload against the hashes of its torrent: v1 pieces across files, v2 trees by themselves.
#include "fetchers/torrents/payload_check.h"

#include <doctest/doctest.h>

#include "evidence/formats/hex.h"
#include "made_bytes.h"

using namespace impound;
using namespace impound::fetchers;
using test::bytes_like;

namespace {

constexpr std::uint64_t piece = 16'384;

std::string raw(Bytes digest) { return {reinterpret_cast<char const*>(digest.data()), digest.size()}; }

struct Content {
  std::string bytes;
  bool pad = false;
};

/// A v1 torrent of these files, its piece hashes right.
Metainfo v1_torrent(std::vector<Content> const& files) {
  std::string all;
  std::string list;
  for (std::size_t i = 0; i < files.size(); ++i) {
    all += files[i].bytes;
    list += "d";
    if (files[i].pad) list += "4:attr1:p";
    list += "6:lengthi" + std::to_string(files[i].bytes.size()) + "e4:pathl2:f" + std::to_string(i % 10) + "ee";
  }
  std::string hashes;
  for (std::size_t at = 0; at < all.size(); at += piece)
    hashes += raw(sha1(bytes_of(std::string_view{all}.substr(at, piece))).bytes);
  std::string const info = "d5:filesl" + list + "e4:name1:n12:piece lengthi16384e6:pieces" +
                           std::to_string(hashes.size()) + ":" + hashes + "e";
  return read_info_dict(info, MetainfoLimits{}).value();
}

/// Files that are "" where something is wanted are not there.
std::vector<CheckedFile> check(Metainfo const& torrent, std::vector<std::optional<std::string>> const& there,
                               std::size_t block = 7'000) {
  auto check = PayloadCheck::of(torrent);
  REQUIRE(check);
  for (auto const& file : there) {
    if (!file) {
      check.value().skip_file();
      continue;
    }
    check.value().begin_file();
    for (std::size_t at = 0; at < file->size(); at += block)
      check.value().add(bytes_of(std::string_view{*file}.substr(at, block)));
    check.value().end_file();
  }
  return check.value().finish();
}

std::vector<Content> const contents{{bytes_like(40'000, 1)},   {bytes_like(100, 2)},    {""},
                                    {bytes_like(30'000, 3)},   {bytes_like(11'820, 4)},  // ends a piece
                                    {bytes_like(2 * piece, 5)}};

std::vector<std::optional<std::string>> all_of(std::vector<Content> const& files) {
  std::vector<std::optional<std::string>> all;
  for (Content const& file : files) all.push_back(file.pad ? std::nullopt : std::optional{file.bytes});
  return all;
}

}  // namespace

TEST_CASE("P6: payload that is the torrent's is found right, and its SHA-256 is the file's") {
  auto const torrent = v1_torrent(contents);
  for (std::size_t const block : {1u, 100u, 7'000u, 1u << 20}) {
    auto const files = check(torrent, all_of(contents), block);
    for (std::size_t i = 0; i < files.size(); ++i) {
      INFO(i);
      CHECK(files[i].there);
      CHECK_FALSE(files[i].wrong);
      CHECK(files[i].pieces_unchecked == 0);
      CHECK(files[i].sha256 == sha256(bytes_of(contents[i].bytes)));
    }
  }
}

TEST_CASE("P6: one changed byte makes exactly the files wrong that have bytes in its piece") {
  auto const torrent = v1_torrent(contents);
  std::uint64_t begin = 0;
  for (std::size_t changed = 0; changed < contents.size(); ++changed) {
    for (std::size_t const at :
         {std::size_t{0}, contents[changed].bytes.size() / 2, contents[changed].bytes.size() - 1}) {
      if (at >= contents[changed].bytes.size()) continue;
      auto there = all_of(contents);
      (*there[changed])[at] = static_cast<char>((*there[changed])[at] ^ 1);
      std::uint64_t const bad = (begin + at) / piece;
      auto const files = check(torrent, there);
      std::uint64_t from = 0;
      for (std::size_t i = 0; i < files.size(); ++i) {
        std::uint64_t const size = contents[i].bytes.size();
        bool const touched = size > 0 && from / piece <= bad && (from + size - 1) / piece >= bad;
        INFO("byte " << at << " of file " << changed << ", file " << i);
        CHECK(files[i].wrong == touched);
        from += size;
      }
    }
    begin += contents[changed].bytes.size();
  }
}

TEST_CASE("a file beside one that is not there says how many of its pieces nobody could judge") {
  auto const torrent = v1_torrent(contents);
  auto there = all_of(contents);
  there[1].reset();  // in one piece with its neighbours
  auto const files = check(torrent, there);
  CHECK(files[0].pieces_unchecked == 1);
  CHECK_FALSE(files[1].there);
  CHECK(files[2].pieces_unchecked == 0);  // empty
  CHECK(files[3].pieces_unchecked == 1);
  CHECK(files[4].pieces_unchecked == 0);
  CHECK_FALSE(files[0].wrong);
  there[0]->front() ^= 1;  // the pieces that are whole are still judged
  CHECK(check(torrent, there)[0].wrong);
}

TEST_CASE("a file that is cut short or too long is not there, and the pieces behind it are judged at their place") {
  auto const torrent = v1_torrent(contents);
  for (bool const longer : {false, true}) {
    auto there = all_of(contents);
    if (longer)
      *there[0] += "more";
    else
      there[0]->resize(20'000);
    auto const files = check(torrent, there);
    CHECK_FALSE(files[0].there);
    CHECK_FALSE(files[5].wrong);
    CHECK(files[5].pieces_unchecked == 0);
  }
}

TEST_CASE("padding counts as zeros, whole pieces of it as nothing") {
  std::vector<Content> const padded{
      {bytes_like(100, 1)}, {std::string(piece - 100 + 3 * piece + 50, '\0'), true}, {bytes_like(20'000, 2)}};
  auto const torrent = v1_torrent(padded);
  auto there = all_of(padded);
  auto files = check(torrent, there);
  CHECK_FALSE(files[0].wrong);
  CHECK(files[0].pieces_unchecked == 0);
  CHECK_FALSE(files[2].wrong);
  CHECK(files[2].pieces_unchecked == 0);
  there[2]->back() ^= 1;
  files = check(torrent, there);
  CHECK_FALSE(files[0].wrong);
  CHECK(files[2].wrong);
}

TEST_CASE("the root over a file's blocks is BEP 52's, whatever its size") {
  auto const parent = [](Sha256 const& a, Sha256 const& b) { return sha256(bytes_of(raw(a.bytes) + raw(b.bytes))); };
  for (std::size_t blocks = 1; blocks <= 70; ++blocks) {
    for (std::size_t const last : {std::size_t{1}, std::size_t{16'383}, std::size_t{16'384}}) {
      std::string const bytes = bytes_like((blocks - 1) * 16'384 + last, static_cast<unsigned>(blocks));
      // By the book: the leaves, zeros up to a power of two, level by level.
      std::vector<Sha256> level;
      for (std::size_t at = 0; at < bytes.size(); at += 16'384)
        level.push_back(sha256(bytes_of(std::string_view{bytes}.substr(at, 16'384))));
      while ((level.size() & (level.size() - 1)) != 0) level.emplace_back();
      for (; level.size() > 1; level.resize(level.size() / 2))
        for (std::size_t i = 0; i < level.size() / 2; ++i) level[i] = parent(level[2 * i], level[2 * i + 1]);
      PiecesRoot root;
      for (std::size_t at = 0; at < bytes.size(); at += 10'000)
        root.add(bytes_of(std::string_view{bytes}.substr(at, 10'000)));
      CHECK(root.finish() == level.front());
    }
  }
}

TEST_CASE("P6: a v2 file is judged by itself, by the root that its torrent names") {
  std::vector<std::string> const files{bytes_like(100, 1), bytes_like(5 * piece + 1, 2)};
  std::string tree;
  for (std::size_t i = 0; i < files.size(); ++i) {
    PiecesRoot root;
    root.add(bytes_of(files[i]));
    tree += "2:f" + std::to_string(i) + "d0:d6:lengthi" + std::to_string(files[i].size()) +
            "e11:pieces root32:" + raw(root.finish().bytes) + "ee";
  }
  std::string const info = "d9:file treed" + tree + "e12:meta versioni2e4:name1:n12:piece lengthi16384ee";
  auto const torrent = read_info_dict(info, MetainfoLimits{}).value();
  REQUIRE(torrent.files.size() == 2);
  auto good = check(torrent, {files[0], files[1]});
  CHECK_FALSE(good[0].wrong);
  CHECK_FALSE(good[1].wrong);
  std::string changed = files[1];
  changed.back() = static_cast<char>(changed.back() ^ 1);
  auto const bad = check(torrent, {files[0], changed});
  CHECK_FALSE(bad[0].wrong);
  CHECK(bad[1].wrong);
  auto const alone = check(torrent, {std::nullopt, files[1]});
  CHECK_FALSE(alone[0].there);
  CHECK_FALSE(alone[1].wrong);
  CHECK(alone[1].pieces_unchecked == 0);
}

TEST_CASE("P6: a file has its verdict when its last piece has, and of a sealed one only the edges are needed") {
  std::vector<Content> files{{bytes_like(5 * piece + 777, 1)},
                             {bytes_like(20, 2)},
                             {bytes_like(4 * piece + 3, 3)},
                             {bytes_like(2 * piece, 4)}};
  auto const torrent = v1_torrent(files);
  auto const feed = [](PayloadCheck& check, std::string_view bytes) {
    check.begin_file();
    check.add(bytes_of(bytes));
    check.end_file();
  };
  auto checked = PayloadCheck::of(torrent);
  REQUIRE(checked);
  std::vector<std::size_t> judged;
  for (auto const& file : files) {
    feed(checked.value(), file.bytes);
    judged.push_back(checked.value().judged());
  }
  CHECK(judged == std::vector<std::size_t>{0, 0, 2, 3});  // the last of them ends in a piece that is not whole
  CHECK(checked.value().due() == 4);
  checked.value().finish();
  CHECK(checked.value().judged() == 4);

  for (std::size_t const sealed : {0u, 2u}) {
    for (bool const spoilt : {false, true}) {
      INFO("sealed " << sealed << (spoilt ? ", another spoilt" : ""));
      auto check = PayloadCheck::of(torrent).value();
      for (std::size_t i = 0; i < files.size(); ++i) {
        std::string bytes = files[i].bytes;
        if (spoilt && i == 1) bytes[0] = static_cast<char>(bytes[0] ^ 1);
        if (i != sealed) {
          feed(check, bytes);
          continue;
        }
        check.begin_file();
        check.add(bytes_of(std::string_view{bytes}.substr(0, piece)));
        check.leap(bytes.size() - 2 * piece);
        check.add(bytes_of(std::string_view{bytes}.substr(bytes.size() - piece)));
        check.end_file();
      }
      auto const& found = check.finish();
      for (std::size_t i = 0; i < found.size(); ++i) {
        if (i == sealed) continue;
        CHECK(found[i].pieces_unchecked == 0);
        CHECK(found[i].wrong == (spoilt && (i == 1 || i == (sealed == 0 ? 2 : 0))));
      }
    }
  }
}
