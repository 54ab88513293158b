#include "agent/service/progress_line.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "agent/service/terminal.h"

using namespace impound::agent;
using namespace std::chrono_literals;

namespace {

TorrentProgress downloading(std::string name) {
  TorrentProgress progress;
  progress.hash = std::string(40, 'a');
  progress.name = std::move(name);
  progress.state = "downloading";
  progress.done = 4'500'000'000;
  progress.total = 9'000'000'000;
  progress.rate = 12'500'000;
  progress.peers = 3;
  return progress;
}

}  // namespace

TEST_CASE("a torrent's line tells what matters in the columns there are") {
  auto const progress = downloading("emleaks-2017");
  CHECK(progress_line(progress, 40) == "emleaks-20…   50%  12.5 MB/s  6 min left");
  CHECK(progress_line(progress, 60) == "emleaks-2017  [###---]   50%  12.5 MB/s  3 peers  6 min left");
  CHECK(progress_line(progress, 80) ==
        "emleaks-2017  [####----]   50%  4.5 GB of 9.0 GB  12.5 MB/s  3 peers  6 min left");
  CHECK(progress_line(progress, 200) ==
        "emleaks-2017  [##############--------------]   50%  4.5 GB of 9.0 GB  12.5 MB/s  3 peers  6 min left");
}

TEST_CASE("before the metadata a torrent's line names its hash and what is looked for") {
  TorrentProgress progress;
  progress.hash = std::string(40, 'a');
  CHECK(progress_line(progress, 80) == progress.hash + "  starting");
  progress.state = "metadata";
  progress.peers = 1;
  CHECK(progress_line(progress, 80) == progress.hash + "  looking for metadata  1 peer");
  CHECK_FALSE(time_left(progress));
}

TEST_CASE("no line is wider than the screen, whatever a torrent is called and however far it is") {
  std::vector<std::string> const names{"a",
                                       std::string(300, 'x'),
                                       "日本語の名前がとても長いトレントのなまえ日本語の名前",
                                       "e\xcc\x81te\xcc\x81 avec des accents qui se posent sur d'autres",
                                       "\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7\xf0\x9f\x93\xa7 mail",
                                       "\x1b[31mred\r\n\xff\xfe",
                                       ""};
  for (std::string const& name : names) {
    for (char const* state : {"downloading", "checking", "metadata", "finished", "waiting while another runs alone"}) {
      for (std::uint64_t const done : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0} - 1, ~std::uint64_t{0}}) {
        TorrentProgress progress = downloading(name);
        progress.state = state;
        progress.total = ~std::uint64_t{0};
        progress.done = done;
        progress.rate = done == 1 ? 0 : ~std::uint64_t{0};
        progress.peers = 100'000;
        progress.web_seeds = 4;
        for (std::size_t columns = 1; columns <= 220; ++columns) {
          std::string const line = progress_line(progress, columns);
          CAPTURE(line);
          CAPTURE(columns);
          REQUIRE(columns_of(line) <= columns);
          REQUIRE(line.find_first_of("\x1b\r\n") == std::string::npos);
        }
      }
    }
  }
}

TEST_CASE("a bar is full when the torrent is whole, and not before") {
  auto progress = downloading("x");
  progress.done = progress.total - 1;
  CHECK(progress_line(progress, 120).find("99%") != std::string::npos);
  CHECK(progress_line(progress, 120).find("-]") != std::string::npos);
  progress.done = progress.total;
  CHECK(progress_line(progress, 120).find("100%") != std::string::npos);
  CHECK(progress_line(progress, 120).find("-]") == std::string::npos);
}

TEST_CASE("times are told as a person says them") {
  CHECK(duration_text(0s) == "0 s");
  CHECK(duration_text(59s) == "59 s");
  CHECK(duration_text(60s) == "1 min");
  CHECK(duration_text(3599s) == "59 min");
  CHECK(duration_text(3h) == "3 h");
  CHECK(duration_text(3h + 20min) == "3 h 20 min");
  CHECK(duration_text(52h) == "2 d 4 h");
  auto progress = downloading("x");
  CHECK(time_left(progress) == 360s);
  progress.rate = 0;
  CHECK_FALSE(time_left(progress));
}

TEST_CASE("what is cut keeps whole characters and says that it was cut") {
  CHECK(columns_of("日本") == 4);
  CHECK(columns_of("e\xcc\x81") == 1);
  CHECK(cut_to_columns("日本語", 6) == "日本語");
  CHECK(cut_to_columns("日本語", 5) == "日本…");
  CHECK(cut_to_columns("日本語", 4) == "日…");
  CHECK(cut_to_columns("abc", 0) == "");
}
