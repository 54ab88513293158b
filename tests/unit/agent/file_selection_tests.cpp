#include "agent/work/file_selection.h"

#include <doctest/doctest.h>

using namespace impound;
using namespace impound::agent;

namespace {

fetchers::Metainfo torrent_of(std::vector<std::pair<std::vector<std::string>, std::uint64_t>> const& files) {
  fetchers::Metainfo torrent;
  for (auto const& [components, size] : files) {
    fetchers::TorrentFile file;
    file.components = components;
    for (auto const& part : components) file.path_bytes += (file.path_bytes.empty() ? "" : "/") + part;
    file.size = size;
    torrent.files.push_back(std::move(file));
  }
  return torrent;
}

std::string taken(FileSelection const& selection, fetchers::Metainfo const& torrent) {
  std::string marks;
  for (auto const& why : why_left_out(selection, torrent)) marks += why.empty() ? '+' : '-';
  return marks;
}

fetchers::Metainfo dump() {
  return torrent_of({{{"dump", "mail", "a.eml"}, 10},
                     {{"dump", "mail", "b.EML"}, 2'000},
                     {{"dump", "photos", "c.jpg"}, 30},
                     {{"dump", "setup.exe"}, 40}});
}

}  // namespace

TEST_CASE("patterns: * is any bytes, ? is one, case does not count for letters") {
  CHECK(pattern_matches("*.eml", "a.eml"));
  CHECK(pattern_matches("*.eml", "A.EML"));
  CHECK(pattern_matches("a?c", "abc"));
  CHECK(pattern_matches("*", ""));
  CHECK(pattern_matches("a*b*c", "a-b-b-c"));
  CHECK(pattern_matches("\xff*", "\xff\xfe"));
  CHECK_FALSE(pattern_matches("*.eml", "a.emlx"));
  CHECK_FALSE(pattern_matches("a?c", "ac"));
  CHECK_FALSE(pattern_matches("", "a"));
}

TEST_CASE("P6: a pattern of many stars takes no more time than both lengths multiplied") {
  std::string pattern;
  for (int i = 0; i < 99; ++i) pattern += "*a";
  CHECK_FALSE(pattern_matches(pattern + "*b", std::string(4'096, 'a')));
}

TEST_CASE("include, exclude and the size of a file say which files come, and why not the others") {
  auto const torrent = dump();
  CHECK(taken({}, torrent) == "++++");
  CHECK(taken({{"*.eml"}, {}}, torrent) == "++--");
  CHECK(taken({{}, {"*.exe"}}, torrent) == "+++-");
  CHECK(taken({{"*.eml"}, {"b*"}}, torrent) == "+---");
  CHECK(taken({{"dump/photos/*"}, {}}, torrent) == "--+-");
  CHECK(taken({{}, {}, 1'000}, torrent) == "+-++");
  auto const why = why_left_out({{"*.eml", "*.jpg"}, {"b*"}, 20}, torrent);
  CHECK(why[1] == "torrents.exclude has b*");
  CHECK(why[2] == "larger than torrents.max_file_bytes, 20");
  CHECK(why[3] == "nothing in torrents.include matches");
}

TEST_CASE("so= takes numbers and ranges; one that is none, or that no file has, takes everything") {
  auto const torrent = dump();
  CHECK(taken({{}, {}, {}, "0,2-3"}, torrent) == "+-++");
  CHECK(taken({{}, {}, {}, "1-999999999"}, torrent) == "-+++");
  CHECK(why_left_out({{}, {}, {}, "0"}, torrent)[1] == "not among so=0");
  for (char const* wrong : {"", "a", "1,", ",1", "3-1", "-1", "1-", "1--2", "99999999999999999999", "7"})
    CHECK_MESSAGE(taken({{}, {}, {}, wrong}, torrent) == "++++", wrong);
  std::string many = "0";
  for (int i = 0; i < 2'000; ++i) many += ",0";
  CHECK_FALSE(parse_select_only(many));
}

TEST_CASE("padding is never taken and needs no reason") {
  auto torrent = dump();
  torrent.files[3].pad = true;
  CHECK(why_left_out({{"*.eml"}, {}}, torrent)[3].empty());
}

TEST_CASE("a symbolic link is never taken and says so, whatever is selected") {
  auto torrent = dump();
  torrent.files[3].symlink = true;
  for (FileSelection const& selection : {FileSelection{}, FileSelection{{"*.eml"}, {}}})
    CHECK(why_left_out(selection, torrent)[3] == "symbolic link: recorded, never created");
}

TEST_CASE("a selection stands in the attempt and reads back from it") {
  FileSelection const asked{{"*.eml"}, {"x*"}, 5, "0-2"};
  Json const logged = selection_json(asked);
  auto const read = selection_of({{"selection", logged}});
  CHECK(read.include == asked.include);
  CHECK(read.exclude == asked.exclude);
  CHECK(read.file_bytes_max == asked.file_bytes_max);
  CHECK(read.select_only == asked.select_only);
  CHECK(selection_json({}).empty());
  CHECK(selection_of(Json::object()).everything());
  CHECK(selection_json({{}, {}, {}, "no list"}).empty());
  CHECK(selection_json({{}, {}, {}, std::string(999, '1') + "23"}).empty());
}
