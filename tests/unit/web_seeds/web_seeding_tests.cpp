// What web seeds are asked, when, and when nobody is left: with a server of the test's own, and a clock of the test's
// own.
#include "fetchers/torrents/worker/web/web_seeding.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "evidence/system/descriptor.h"
#include "tests/unit/http/local_server.h"

using namespace impound;
using namespace impound::fetchers;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t length = 1'000;

/// Files of one folder, each of `size` bytes.
Metainfo torrent_of(std::size_t files, std::uint64_t size, std::uint64_t piece_length = length) {
  Metainfo torrent;
  torrent.piece_length = piece_length;
  torrent.hashes.v1.emplace();
  for (std::size_t i = 0; i < files; ++i) {
    TorrentFile file;
    file.components = {"t", std::string(1, static_cast<char>('a' + static_cast<int>(i)))};
    file.path_bytes = "t/" + file.components[1];
    file.size = size;
    torrent.files.push_back(file);
  }
  return torrent;
}

struct Fixture {
  explicit Fixture(std::vector<WebSeed> const& seeds, Metainfo made = torrent_of(2, 2 * length))
      : torrent(std::move(made)) {
    auto way = std::make_shared<WebWay>();
    REQUIRE(way->policy.allow("127.0.0.1"));
    way->user_agent = "impound-test/1";
    way->wake_descriptor = wake.number();
    web = std::make_unique<WebSeeding>(torrent, std::vector<bool>(torrent.files.size(), true), seeds, way);
  }
  /// Asks, and takes what comes until that order has ended.
  std::vector<WebSeeding::Piece> ask() {
    std::vector<WebSeeding::Piece> got;
    web->ask(now, false);
    while (web->asked_now() > 0) {
      pollfd watched{wake.number(), POLLIN, 0};
      REQUIRE(::poll(&watched, 1, 20'000) == 1);
      std::uint64_t count = 0;
      [[maybe_unused]] auto const taken = ::read(wake.number(), &count, sizeof count);
      for (auto& piece : web->take(now)) got.push_back(std::move(piece));
      for (auto& exchange : web->take_exchanges()) exchanges.push_back(std::move(exchange));
    }
    return got;
  }

  Metainfo torrent;
  Descriptor wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::unique_ptr<WebSeeding> web;
  WebSeeding::Time now{100h};
  std::vector<WebExchange> exchanges;
};

std::string answer(std::string const& status, std::string const& headers, std::string const& body) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         headers + "\r\n" + body;
}

std::string ranged(std::string const& body) {
  return answer(
      "206 Part",
      "Content-Range: bytes 0-" + std::to_string(body.size() - 1) + "/" + std::to_string(body.size()) + "\r\n", body);
}

}  // namespace

TEST_CASE("what comes is cut into pieces, and each exchange is told with its digest and address") {
  LocalServer server(
      [](Visitor& visitor) { visitor.send(ranged(std::string(2 * length, visitor.path == "/t/a" ? 'a' : 'b'))); });
  Fixture fixture({{server.url("/")}});
  auto const pieces = fixture.ask();
  REQUIRE(pieces.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(pieces[i].fetched.piece == i);
    CHECK(pieces[i].fetched.bytes == std::vector<char>(length, i < 2 ? 'a' : 'b'));
    CHECK(fixture.web->in_flight(i));
    fixture.web->passed(i);
  }
  CHECK(fixture.web->bytes() == 4 * length);
  CHECK(fixture.web->nobody_left());
  REQUIRE(fixture.exchanges.size() == 2);
  auto const& first = fixture.exchanges[0];
  CHECK(first.web_seed == server.url("/"));
  CHECK(first.url == server.url("/t/a"));
  CHECK(first.file == 0);
  CHECK(first.first == 0);
  CHECK(first.last == 2 * length - 1);
  CHECK(first.status == 206);
  CHECK(first.bytes == 2 * length);
  CHECK(first.head_sha256);
  CHECK(first.address == "127.0.0.1");
  CHECK(first.port == server.port());
  CHECK(first.started_us <= first.ended_us);
  CHECK(first.outcome == "");
}

TEST_CASE("a server that fails is asked again with growing gaps, and seven times in a row in all") {
  LocalServer server([](Visitor& visitor) { visitor.send(answer("503 No", "", "later")); });
  Fixture fixture({{server.url("/")}});
  for (unsigned failure = 0; failure < 7; ++failure) {
    INFO(failure);
    CHECK_FALSE(fixture.web->nobody_left());  // whichever file it is asked for
    CHECK(fixture.ask().empty());
    CHECK(server.requests().size() == failure + 1);
    fixture.now += std::chrono::seconds{1 << failure} - 1ms;
    CHECK(fixture.ask().empty());
    CHECK(server.requests().size() == failure + 1);  // not yet
    fixture.now += 1ms;
  }
  CHECK(fixture.web->nobody_left());
  // While the torrent goes on for other reasons it is looked at once in ten minutes.
  CHECK(fixture.ask().empty());
  CHECK(server.requests().size() == 7);
  fixture.now += 600s;
  CHECK(fixture.ask().empty());
  CHECK(server.requests().size() == 8);
  CHECK(fixture.web->tallies().at(0).failures == 8);
  CHECK(fixture.web->tallies().at(0).last == "it answers 503");
}

TEST_CASE("a piece that is never judged is of no use there, and is asked for again") {
  LocalServer server([](Visitor& visitor) { visitor.send(ranged(std::string(2 * length, 'x'))); });
  Fixture fixture({{server.url("/")}});
  CHECK(fixture.ask().size() == 4);
  fixture.now += 119s;
  CHECK(fixture.ask().empty());
  CHECK_FALSE(fixture.web->nobody_left());
  fixture.now += 1s;
  CHECK(fixture.ask().size() == 4);
}

TEST_CASE("a server that has nothing is asked once for each file") {
  LocalServer server([](Visitor& visitor) { visitor.send(answer("404 No", "", "")); });
  Fixture fixture({{server.url("/")}});
  CHECK(fixture.ask().empty());
  CHECK(fixture.ask().empty());
  CHECK(fixture.ask().empty());
  CHECK(fixture.web->nobody_left());
  CHECK(server.requests().size() == 2);
  CHECK(fixture.web->tallies().at(0).gone == std::set<std::size_t>{0, 1});
}

TEST_CASE("paused, it stops in the middle; what was asked for is asked for again") {
  LocalServer server([](Visitor& visitor) {
    visitor.send("HTTP/1.1 206 Part\r\nContent-Length: 2000\r\nContent-Range: bytes 0-1999/2000\r\n\r\n" +
                 std::string(1'200, 'x'));
    visitor.wait_until_gone();
  });
  Fixture fixture({{server.url("/")}});
  fixture.web->ask(fixture.now, false);
  std::size_t pieces = 0;
  bool paused = false;
  while (fixture.web->asked_now() > 0) {
    pollfd watched{fixture.wake.number(), POLLIN, 0};
    REQUIRE(::poll(&watched, 1, 20'000) == 1);
    std::uint64_t count = 0;
    [[maybe_unused]] auto const taken = ::read(fixture.wake.number(), &count, sizeof count);
    pieces += fixture.web->take(fixture.now).size();
    if (pieces == 1 && !std::exchange(paused, true)) fixture.web->pause();
  }
  CHECK(pieces == 1);
  CHECK(fixture.web->tallies().at(0).failures == 0);
  fixture.web->passed(0);
  CHECK_FALSE(fixture.web->nobody_left());
}

TEST_CASE("a file that does not come holds up no other") {
  LocalServer server([](Visitor& visitor) {
    visitor.send(visitor.path == "/t/b" ? answer("503 No", "", "later") : ranged(std::string(2 * length, 'x')));
  });
  Fixture fixture({{server.url("/")}}, torrent_of(5, 2 * length));
  std::set<std::size_t> got;
  for (unsigned round = 0; round < 20 && !fixture.web->nobody_left(); ++round) {
    for (auto const& piece : fixture.ask()) {
      got.insert(piece.fetched.piece);
      fixture.web->passed(piece.fetched.piece);
    }
    fixture.now += 100s;
  }
  CHECK(got == std::set<std::size_t>{0, 1, 4, 5, 6, 7, 8, 9});
  CHECK(fixture.web->nobody_left());
  CHECK(fixture.web->tallies().at(0).failures >= 7);
}

TEST_CASE("a piece that failed once is nobody's fault yet; a file whose pieces fail twice is another one") {
  LocalServer* self = nullptr;
  LocalServer server([&](Visitor& visitor) {  // from the beginning of a file, as far as it is asked for
    auto const head = self->requests().back();
    auto const last = std::atoi(head.c_str() + head.find("bytes=0-") + 8);
    visitor.send(answer("206 Part", "Content-Range: bytes 0-" + std::to_string(last) + "/6000\r\n",
                        std::string(static_cast<std::size_t>(last) + 1, 'x')));
  });
  self = &server;
  Fixture fixture({{server.url("/")}}, torrent_of(2, 6 * length));
  CHECK(fixture.ask().size() == 12);
  for (std::size_t piece = 0; piece < 5; ++piece) CHECK(fixture.web->failed(piece));
  CHECK(fixture.web->tallies().at(0).differs.empty());
  fixture.web->passed(5);
  for (std::size_t piece = 6; piece < 12; ++piece) fixture.web->passed(piece);
  CHECK_FALSE(fixture.web->failed(5));  // no longer in flight
  auto const again = fixture.ask();
  CHECK(again.size() == 5);
  for (std::size_t piece = 0; piece < 3; ++piece) CHECK(fixture.web->failed(piece));
  CHECK(fixture.web->tallies().at(0).differs == std::set<std::size_t>{0});
  for (std::size_t piece = 3; piece < 5; ++piece) (void)fixture.web->failed(piece);
  CHECK(fixture.web->nobody_left());
  CHECK(fixture.web->tallies().at(0).failed_pieces >= 8);
}

TEST_CASE("what came of a piece is not asked for again after a break") {
  std::vector<std::string> ranges;
  std::string const body = [] {
    std::string bytes(100'000, ' ');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>('a' + i % 23);
    return bytes;
  }();
  LocalServer* self = nullptr;
  LocalServer server([&](Visitor& visitor) {
    auto const head = self->requests().back();
    auto const at = head.find("bytes=");
    auto const first = static_cast<std::size_t>(std::atoi(head.c_str() + at + 6));
    visitor.send("HTTP/1.1 206 Part\r\nContent-Length: " + std::to_string(body.size() - first) +
                 "\r\nContent-Range: bytes " + std::to_string(first) + "-99999/100000\r\n\r\n" +
                 body.substr(first, 30'000));  // and it leaves
  });
  self = &server;
  Fixture fixture({{server.url("/")}}, torrent_of(1, 100'000, 100'000));
  std::vector<WebSeeding::Piece> got;
  for (unsigned round = 0; round < 6 && got.empty(); ++round) {
    got = fixture.ask();
    fixture.now += 100s;
  }
  REQUIRE(got.size() == 1);
  CHECK(std::string(got[0].fetched.bytes.begin(), got[0].fetched.bytes.end()) == body);
  CHECK(server.requests().size() == 4);
  CHECK(server.requests()[1].find("Range: bytes=30000-99999") != std::string::npos);
}

TEST_CASE("a site that answers everything with a page is left alone by and by") {
  LocalServer server([](Visitor& visitor) { visitor.send(answer("200 OK", "", "for sale")); });
  Fixture fixture({{server.url("/")}}, torrent_of(26, length));
  for (unsigned asked = 0; asked < 20; ++asked) CHECK(fixture.ask().empty());
  CHECK(server.requests().size() == 20);
  CHECK(fixture.ask().empty());
  CHECK(server.requests().size() == 20);  // a second later
  fixture.now += 1s;
  CHECK(fixture.ask().empty());
  CHECK(server.requests().size() == 21);
}

TEST_CASE("small files come by one connection") {
  std::string const body(length, 'x');
  auto const reply = "HTTP/1.1 206 Part\r\nContent-Length: 1000\r\nContent-Range: bytes 0-999/1000\r\n\r\n" + body;
  std::size_t further = 0;
  LocalServer server([&](Visitor& visitor) {
    visitor.send(reply);
    while (!visitor.read_request().empty()) {
      ++further;
      visitor.send(reply);
      if (further == 3) return;
    }
  });
  Fixture fixture({{server.url("/")}}, torrent_of(4, length));
  CHECK(fixture.ask().size() == 4);
  CHECK(server.requests().size() == 1);
  CHECK(further == 3);
}

TEST_CASE("BEP 17: an exchange names the torrent's bytes") {
  LocalServer server([](Visitor& visitor) { visitor.send(answer("200 OK", "", std::string(length, 'x'))); });
  Fixture fixture({{server.url("/seed"), true}});
  CHECK(fixture.ask().size() == 4);
  REQUIRE(fixture.exchanges.size() == 4);
  CHECK(fixture.exchanges[2].first == 2 * length);
  CHECK(fixture.exchanges[2].last == 3 * length - 1);
}
