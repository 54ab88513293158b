#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "evidence/formats/hex.h"
#include "fetchers/torrents/metainfo.h"

using namespace impound;
using namespace impound::fetchers;

namespace {

std::string const folder = std::string{TEST_DATA} + "/torrents/";

std::string contents(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

nlohmann::json table() { return nlohmann::json::parse(contents(folder + "expected.json")); }

// Where we are stricter than libtorrent 2.0.8 on purpose: it renames what cannot be a file's name, we do not guess.
std::map<std::string, std::string> const stricter{
    {"arvidn/empty_path_multi.torrent", "a path with a part that is no plain name"},       // two files named ""
    {"arvidn/hidden_parent_path.torrent", "a path with a part that is no plain name"},     // "foo/../../../bar"
    {"arvidn/invalid_filename.torrent", "a path with a part that is no plain name"},       // "."
    {"arvidn/slash_path.torrent", "a path with a part that is no plain name"},             // "/"
    {"arvidn/slash_path3.torrent", "a name that is no plain name"},                        // "temp/../../abc"
    {"arvidn/symlink_filtered_path.torrent", "a path with a part that is no plain name"},  // "/"
    // A layer that does not hash to the file's root: newer libtorrents refuse the second as well.
    {"arvidn/v2_invalid_root_hash.torrent", "a piece layer that does not hash to its root"},
    {"arvidn/v2_invalid_piece_layer_root.torrent", "a piece layer"},
};

std::string string_of(std::string_view text) { return std::to_string(text.size()) + ":" + std::string{text}; }

std::string one_file_info(std::string const& extra = {}, std::string const& name = "a",
                          std::string const& length = "1") {
  return "d6:lengthi" + length + "e4:name" + string_of(name) + "12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa" +
         extra + "e";
}

}  // namespace

TEST_CASE("P6: every torrent of the corpus gets the verdict it deserves") {
  std::size_t good = 0;
  std::size_t refused = 0;
  auto const all = table();
  for (auto const& [file, expected] : all.items()) {
    INFO(file);
    auto const torrent = read_torrent(contents(folder + file), MetainfoLimits{});
    if (auto const exception = stricter.find(file); exception != stricter.end()) {
      REQUIRE_FALSE(torrent);
      CHECK(torrent.error().what.find(exception->second) != std::string::npos);
      ++refused;
      continue;
    }
    if (!expected["good"].get<bool>()) {
      REQUIRE_FALSE(torrent);
      CHECK(torrent.error().what.size() > 20);
      ++refused;
      continue;
    }
    REQUIRE_MESSAGE(torrent, torrent.error().what);
    ++good;
    auto const& read = torrent.value();
    CHECK(hex(read.sha1) == expected["sha1_of_info"].get<std::string>());
    CHECK(hex(read.sha256) == expected["sha256_of_info"].get<std::string>());
    CHECK(read.hashes.v1.has_value() == expected.contains("v1"));
    CHECK(read.hashes.v2.has_value() == expected.contains("v2"));
    if (read.hashes.v1) CHECK(hex(*read.hashes.v1) == expected["v1"].get<std::string>());
    if (read.hashes.v2) CHECK(hex(*read.hashes.v2) == expected["v2"].get<std::string>());
    CHECK(read.piece_length == expected["piece_length"].get<std::uint64_t>());
    CHECK(read.pieces == expected["num_pieces"].get<std::uint64_t>());
    CHECK(read.is_private == expected["private"].get<bool>());
    std::size_t wanted = 0;
    for (auto const& one : read.files) wanted += one.pad ? 0 : 1;
    CHECK(wanted == expected["files"].get<std::size_t>());
    for (auto const& tracker : expected["trackers"]) {
      CHECK(std::find(read.trackers.begin(), read.trackers.end(), tracker.get<std::string>()) != read.trackers.end());
    }
    // libtorrent adds a '/' or percent signs here and there; how many there are is what both agree on.
    CHECK(read.web_seeds.size() + read.http_seeds.size() >= expected["web_seeds"].size());
    CHECK(read_info_dict(read.info, MetainfoLimits{}).value().hashes == read.hashes);
  }
  MESSAGE(good << " good, " << refused << " refused");
  CHECK(good == 49);
  CHECK(refused == 31);
}

TEST_CASE("every file of the corpus stands in the table") {
  auto const known = table();
  for (auto const& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().filename() == "expected.json") continue;
    CHECK(known.contains(std::filesystem::relative(entry.path(), folder).string()));
  }
}

TEST_CASE("names are read as libtorrent reads them where it does not rename") {
  auto const all = table();
  for (auto const& [file, expected] : all.items()) {
    if (!expected["good"].get<bool>() || stricter.contains(file)) continue;
    INFO(file);
    auto const torrent = read_torrent(contents(folder + file), MetainfoLimits{}).value();
    std::set<std::string> mine;
    for (auto const& one : torrent.files) mine.insert(one.path_bytes);
    std::size_t same = 0;
    for (auto const& name : expected["names"]) same += mine.count(name.get<std::string>());
    // Pad files are made up by libtorrent for v2, and cleaned names differ.
    CHECK(same + expected["pads"].get<std::size_t>() + 2 >=
          std::min<std::size_t>(expected["names"].size(), mine.size()));
  }
}

TEST_CASE("a hybrid is read as v1 lists it, with both hashes and its pad files") {
  auto const torrent =
      read_torrent(contents(folder + "anacrolix/bittorrent-v2-hybrid-test.torrent"), MetainfoLimits{}).value();
  CHECK(torrent.hashes.v1);
  CHECK(torrent.hashes.v2);
  CHECK(torrent.files.size() == 17);
  CHECK(std::count_if(torrent.files.begin(), torrent.files.end(), [](auto const& file) { return file.pad; }) == 8);
}

TEST_CASE("pad files are known by attribute and by BitComet's name") {
  auto const sample = read_torrent(contents(folder + "arvidn/sample.torrent"), MetainfoLimits{}).value();
  CHECK(sample.files.at(1).pad);
  CHECK(sample.total_bytes == 45);
  auto const custom = [](std::string const& path, std::string const& name) {
    std::string const info = "d5:filesld6:lengthi1e4:pathl1:aeed6:lengthi5e4:pathl" + path + "eee4:name" + name +
                             "12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
    return read_info_dict(info, MetainfoLimits{}).value();
  };
  CHECK(custom("18:_____padding_file_", "1:n").files.at(1).pad_by_name);
  CHECK(custom("18:_____padding_file_1:0", "1:n").files.at(1).pad_by_name);
  // Anything may hide under other names: these are files.
  CHECK_FALSE(custom("17:.____padding_file1:0", "1:n").files.at(1).pad);
  CHECK_FALSE(sample.files.at(1).pad_by_name);
}

TEST_CASE("symbolic links have no bytes and keep their target as it stands there") {
  auto const links = read_torrent(contents(folder + "arvidn/symlink2.torrent"), MetainfoLimits{}).value();
  CHECK(links.files.at(0).symlink);
  CHECK(links.files.at(0).target_bytes == "Versions/A/SDL2");
  CHECK_FALSE(links.files.at(0).payload());
  CHECK_FALSE(links.files.at(1).symlink);
  auto const v1 = [](std::string const& link) {
    return read_info_dict("d5:filesld6:lengthi1e4:pathl1:aeed" + link +
                              "e"
                              "e4:name1:n12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae",
                          MetainfoLimits{});
  };
  auto const v2 = [](std::string const& link) {
    return read_info_dict("d9:file treed1:ad0:d6:lengthi1e11:pieces root32:" + std::string(32, 'r') + "ee4:linkd0:d" +
                              link + "eee12:meta versioni2e4:name1:n12:piece lengthi16384ee",
                          MetainfoLimits{});
  };
  struct Link {
    std::string written;
    std::string target;
  };
  using namespace std::string_literals;
  for (auto const& [written, target] : std::vector<Link>{
           {"12:symlink pathl2:..2:..3:etc6:passwde", "../../etc/passwd"},
           {"12:symlink pathl0:3:etc6:passwde", "/etc/passwd"},
           {"12:symlink pathl4:linke", "link"},
           {"12:symlink pathl3:\xff/\0e"s, "\xff/\0"s},
           {"12:symlink path2:..", ".."},  // no list: libtorrent takes it for none
           {"12:symlink pathle", ""},
           {"", ""},
       }) {
    for (std::string const length : {"6:lengthi0e", "", "6:lengthi70000e"}) {
      INFO(length << written);
      for (auto const& torrent :
           {v1("4:attr1:l" + length + "4:pathl4:linke" + written), v2("4:attr1:l" + length + written)}) {
        REQUIRE_MESSAGE(torrent, torrent.error().what);
        auto const& link = torrent.value().files.at(1);
        CHECK(link.path_bytes == "n/link");
        CHECK(link.symlink);
        CHECK(link.size == 0);
        CHECK(link.target_bytes == target);
        CHECK(torrent.value().total_bytes == 1);
      }
    }
  }
  CHECK(v1("4:attr1:l4:pathl4:linke12:symlink pathli1ee").error().what.find("no text") != std::string::npos);
  auto const padding = v1("4:attr2:lp6:lengthi9e4:pathl4:linke12:symlink pathl1:ae").value();
  CHECK((padding.files.at(1).symlink && padding.files.at(1).pad && padding.files.at(1).size == 0));
}

TEST_CASE("a hybrid whose link leads elsewhere in v2 is two torrents in one") {
  auto const read = [](std::string const& v1_target, std::string const& v2_target) {
    return read_info_dict(
        "d9:file treed1:ad0:d6:lengthi1e11:pieces root32:" + std::string(32, 'r') +
            "ee4:linkd0:d4:attr1:l6:lengthi0e12:symlink pathl" + string_of(v2_target) +
            "eeee5:filesld6:lengthi1e4:pathl1:aeed4:attr1:l6:lengthi0e4:pathl4:linke12:symlink pathl" +
            string_of(v1_target) +
            "eee12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae",
        MetainfoLimits{});
  };
  REQUIRE_MESSAGE(read("a", "a"), read("a", "a").error().what);
  CHECK(read("a", "b").error().what.find("different files") != std::string::npos);
}

TEST_CASE("trackers and web seeds are gathered, each once") {
  auto const bytes = "d8:announce3:u:113:announce-listll3:u:13:u:2el3:u:3ee4:info" + one_file_info() +
                     "9:httpseedsl3:h:1e8:url-listl3:w:1 3:w:2ee";
  CHECK(read_torrent(bytes, MetainfoLimits{}).has_error());  // "3:w:1 " is damaged bencode
  auto const right = "d8:announce3:u:113:announce-listll3:u:13:u:2el3:u:3ee4:info" + one_file_info() +
                     "9:httpseedsl3:h:1e8:url-listl4:w:1 3:w:2ee";
  auto const torrent = read_torrent(right, MetainfoLimits{}).value();
  CHECK(torrent.trackers == std::vector<std::string>{"u:1", "u:2", "u:3"});
  CHECK(torrent.web_seeds == std::vector<std::string>{"w:1", "w:2"});
  CHECK(torrent.http_seeds == std::vector<std::string>{"h:1"});
}

TEST_CASE("raw bytes of names are kept") {
  auto const torrent = read_info_dict(one_file_info({}, "\xff\xfe z"), MetainfoLimits{}).value();
  CHECK(torrent.name == "\xff\xfe z");
  CHECK(torrent.files.at(0).path_bytes == "\xff\xfe z");
}

TEST_CASE("P6: names that climb or hide are refused") {
  for (std::string const& name :
       {std::string{".."}, std::string{"."}, std::string{"a/b"}, std::string{"a\0b", 3}, std::string{}}) {
    CHECK_FALSE(read_info_dict(one_file_info({}, name), MetainfoLimits{}));
  }
}

TEST_CASE("P6: hostile sizes and shapes are errors") {
  MetainfoLimits const limits;
  for (std::string const& length :
       std::vector<std::string>{"-1", "0", "9223372036854775807", "9223372036854775808", "99999999999999999999999"}) {
    CHECK_FALSE(read_info_dict(one_file_info({}, "a", length), limits));
  }
  std::string const deep(1 << 20, 'l');
  CHECK(read_torrent(deep, limits).error().code == Code::refused);
  CHECK(read_torrent("d4:info" + std::string(200, 'd'), limits).has_error());
  std::string many = "l";
  for (int i = 0; i < 2'100'000; ++i) many += "0:";
  many += "e";
  CHECK(read_torrent(many, limits).error().code == Code::refused);
  for (std::string const& bad : std::vector<std::string>{
           "", "d", "de", "i1e", "4:info", "d4:infoe", "d4:infoi1ee", "d4:infodee", "d4:info0:e", "di1e1:ae",
           "d4:info99999999999999999999:e", "d4:info1e1:ae", "i-0e", "i01e", "l01:ae", "li-e"}) {
    INFO(bad);
    CHECK_FALSE(read_torrent(bad, limits));
  }
}

TEST_CASE("P6: each limit is kept, and its refusal names it") {
  auto const info = one_file_info();
  auto const whole = "d4:info" + info + "e";
  std::string const folders =
      "d5:filesld6:lengthi1e4:pathl1:a1:b1:ceee4:name1:n12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
  struct Limit {
    char const* named;
    std::string text;                                // a whole .torrent, or an info dict
    std::function<void(MetainfoLimits&, bool)> set;  // true: just kept; false: just not
  };
  std::vector<Limit> const table{
      {"an info dict larger", info, [&](auto& l, bool kept) { l.info_bytes_max = info.size() - (kept ? 0 : 1); }},
      {"an info dict larger", whole, [&](auto& l, bool kept) { l.info_bytes_max = info.size() - (kept ? 0 : 1); }},
      {"a file larger", whole, [&](auto& l, bool kept) { l.bytes_max = whole.size() - (kept ? 0 : 1); }},
      {"pieces longer", info, [](auto& l, bool kept) { l.piece_length_max = kept ? 16'384 : 16'383; }},
      {"more pieces", info, [](auto& l, bool kept) { l.pieces_max = kept ? 1 : 0; }},
      {"more files", info, [](auto& l, bool kept) { l.files_max = kept ? 1 : 0; }},
      {"more bytes", info, [](auto& l, bool kept) { l.total_bytes_max = kept ? 1 : 0; }},
      {"a path is longer", folders, [](auto& l, bool kept) { l.path_bytes_max = kept ? 7 : 6; }},
      {"a path deeper", folders, [](auto& l, bool kept) { l.path_depth_max = kept ? 4 : 3; }},
      {"nested deeper", folders, [](auto& l, bool kept) { l.depth_max = kept ? 4 : 3; }},
      {"more values", folders, [](auto& l, bool kept) { l.tokens_max = kept ? 100 : 10; }},
  };
  for (auto const& limit : table) {
    INFO(limit.named);
    auto const read = [&](MetainfoLimits const& limits) {
      return limit.text == whole ? read_torrent(limit.text, limits) : read_info_dict(limit.text, limits);
    };
    MetainfoLimits limits;
    limit.set(limits, true);
    CHECK_MESSAGE(read(limits), "refused though the limit is kept");
    limit.set(limits, false);
    auto const refused = read(limits);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::refused);
    CHECK_MESSAGE(refused.error().what.find(limit.named) != std::string::npos, refused.error().what);
  }
}

TEST_CASE("P6: a torrent cut at any byte, or with any byte changed, is read or refused and nothing else") {
  for (char const* file : {"arvidn/sample.torrent", "arvidn/empty-files-1.torrent", "arvidn/v2.torrent"}) {
    auto const whole = contents(folder + file);
    for (std::size_t cut = 0; cut < whole.size(); ++cut)
      CHECK_FALSE(read_torrent(whole.substr(0, cut), MetainfoLimits{}));
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (char const other : {'e', 'd', 'l', 'i', '0', '9', ':', '-', '\0', '\xff'}) {
        auto changed = whole;
        changed[at] = other;
        (void)read_torrent(changed, MetainfoLimits{});
      }
    }
  }
}
