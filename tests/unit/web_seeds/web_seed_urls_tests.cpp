// Where web seeds have files, as archives write it.
#include "fetchers/torrents/worker/web/web_seed_urls.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace impound;
using namespace impound::fetchers;

namespace {

Metainfo torrent_of(std::vector<std::vector<std::string>> const& files) {
  Metainfo torrent;
  for (auto const& components : files) {
    TorrentFile file;
    file.components = components;
    torrent.files.push_back(file);
  }
  return torrent;
}

std::vector<std::string> texts(std::vector<WebSeed> const& seeds) {
  std::vector<std::string> urls;
  for (auto const& seed : seeds) urls.push_back(seed.url);
  return urls;
}

}  // namespace

TEST_CASE("the URL of a file, as url-list entries are really written") {
  struct Row {
    char const* seed;
    std::vector<std::string> components;
    std::size_t files;
    char const* url;
  };
  std::vector<Row> const rows{
      // Archive.org: the item is the torrent's folder.
      {"https://archive.org/download/", {"emleaks", "a.tar"}, 2, "https://archive.org/download/emleaks/a.tar"},
      {"http://ia600500.us.archive.org/12/items/",
       {"emleaks", "x", "b c.eml"},
       2,
       "http://ia600500.us.archive.org/12/items/emleaks/x/b%20c.eml"},
      {"https://archive.org/download",
       {"emleaks", "emleaks_meta.xml"},
       2,
       "https://archive.org/download/emleaks/emleaks_meta.xml"},
      {"https://archive.org/download/",
       {"emleaks", ".____padding_file", "7"},
       2,
       "https://archive.org/download/emleaks/.____padding_file/7"},
      // A single file: its own URL, or the folder that it stands in.
      {"http://mirror.example/iso/a.iso", {"a.iso"}, 1, "http://mirror.example/iso/a.iso"},
      {"http://mirror.example/get?id=7", {"a.iso"}, 1, "http://mirror.example/get?id=7"},
      {"http://mirror.example/iso/", {"a.iso"}, 1, "http://mirror.example/iso/a.iso"},
      // A folder of one file is no single file.
      {"http://mirror.example/x", {"folder", "a.iso"}, 1, "http://mirror.example/x/folder/a.iso"},
      // What no URL has is encoded, what is encoded stays.
      {"http://mirror.example/My Files/",
       {"a", "100% #1?.txt"},
       2,
       "http://mirror.example/My%20Files/a/100%25%20%231%3F.txt"},
      {"http://mirror.example/My%20Files/",
       {"a", "\xe6\x97\xa5\xff"},
       2,
       "http://mirror.example/My%20Files/a/%E6%97%A5%FF"},
      {"http://mirror.example:8080/", {"a", "b"}, 2, "http://mirror.example:8080/a/b"},
  };
  for (Row const& row : rows) {
    INFO(row.seed);
    auto files = std::vector<std::vector<std::string>>{row.components};
    if (row.files == 2) files.push_back({"other", "file"});
    auto const url = file_url(row.seed, torrent_of(files), 0);
    REQUIRE(url);
    CHECK(url.value().text() == row.url);
  }
}

TEST_CASE("what is no URL is told as such") {
  for (char const* seed : {"ftp://mirror.example/", "", "http://user:secret@mirror.example/"})
    CHECK_FALSE(file_url(seed, torrent_of({{"a", "b"}, {"a", "c"}}), 0));
}

TEST_CASE("names that climb stay names") {
  auto const url = file_url("http://mirror.example/x/", torrent_of({{"a", "..%2f..%2fb"}, {"a", "c"}}), 0);
  REQUIRE(url);
  CHECK(url.value().text() == "http://mirror.example/x/a/..%252f..%252fb");
}

TEST_CASE("entries that are only a path are read against the hosts of the others") {
  struct Row {
    std::vector<std::string> named, read;
  };
  for (Row const& row : std::vector<Row>{
           {{"https://archive.org/download/", "http://ia1.example/1/items/", "/1/items/"},
            {"https://archive.org/download/", "http://ia1.example/1/items/", "https://archive.org/1/items/",
             "http://ia1.example/1/items/"}},
           {{"/1/items/"}, {}},
           {{"/1/items/", "http://ia1.example:81/x/y"},
            {"http://ia1.example:81/x/y", "http://ia1.example:81/1/items/"}},
           {{"//evil.example/", "http://a.example/", "dir/", "ftp://b.example/", "http://a.example/"},
            {"http://a.example/"}},
       }) {
    std::vector<WebSeed> named;
    for (auto const& url : row.named) named.push_back({url});
    auto read = row.read;
    if (read.size() == 4) read.pop_back();  // it was named already
    CHECK(texts(readable_web_seeds(named, 20)) == read);
  }
  std::vector<WebSeed> many;
  for (int i = 0; i < 100; ++i) many.push_back({"http://a.example/" + std::to_string(i) + "/"});
  CHECK(readable_web_seeds(many, 20).size() == 20);
}

TEST_CASE("the URL of a piece, BEP 17") {
  Metainfo torrent;
  CHECK_FALSE(piece_url("http://a.example/seed", torrent, 0, 5));
  torrent.hashes.v1.emplace();
  torrent.hashes.v1->bytes[0] = std::byte{0x41};
  torrent.hashes.v1->bytes[19] = std::byte{0x26};
  std::string zeros;
  for (int i = 0; i < 18; ++i) zeros += "%00";
  auto const url = piece_url("http://a.example/seed", torrent, 7, 16'384);
  REQUIRE(url);
  CHECK(url.value().text() == "http://a.example/seed?info_hash=A" + zeros + "%26&piece=7&ranges=0-16383");
  CHECK(piece_url("http://a.example/seed?x=1", torrent, 7, 1).value().text() ==
        "http://a.example/seed?x=1&info_hash=A" + zeros + "%26&piece=7&ranges=0-0");
  CHECK_FALSE(piece_url("http://a.example/seed", torrent, 7, 0));
}

TEST_CASE("padding by name, as Archive.org wrote it before BEP 47") {
  auto const torrent = torrent_of({{"item", ".____padding_file", "0"},
                                   {"item", "_____padding_file_0_if you see this file, please update"},
                                   {"item", "padding.txt"}});
  CHECK(named_like_padding(torrent.files[0]));
  CHECK(named_like_padding(torrent.files[1]));
  CHECK_FALSE(named_like_padding(torrent.files[2]));
}
