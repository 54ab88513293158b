// What a web seed's answer is worth.
#include "fetchers/torrents/worker/web/web_answer.h"

#include <doctest/doctest.h>

using namespace impound;
using namespace impound::fetchers;
using Why = OrderEnd::Why;

namespace {

WebAsk ask(std::uint64_t offset, std::uint64_t size, std::uint64_t file_size) {
  return {{std::size_t{0}, offset, size}, file_size, Url::parse("http://a.example/x").value()};
}

Exchange answer(int status, std::vector<std::pair<std::string, std::string>> headers = {}) {
  Exchange exchange;
  exchange.status = status;
  exchange.headers = std::move(headers);
  return exchange;
}

/// Feeds the body in parts of `step`, and gives what of it was taken.
std::string taken(AnswerReader& reader, Exchange const& head, std::string const& body, std::size_t step) {
  std::string got;
  for (std::size_t at = 0; at < body.size() && (at == 0 || reader.wants_more()); at += step)
    got += reader.take(head, std::string_view(body).substr(at, step));
  return got;
}

}  // namespace

TEST_CASE("a range as asked, and a server without ranges, give the same bytes") {
  std::string const file = "0123456789abcdefghij";
  for (std::size_t const step : {1u, 3u, 100u}) {
    auto const part = ask(5, 10, file.size());
    AnswerReader ranged(part, false);
    CHECK(ranged.range() == "bytes=5-14");
    auto const partial = answer(206, {{"Content-Range", "bytes 5-14/20"}});
    CHECK(taken(ranged, partial, "56789abcde", step) == "56789abcde");
    CHECK_FALSE(ranged.wants_more());
    CHECK(ranged.judge(partial).why == Why::done);
    CHECK_FALSE(ranged.judge(partial).no_ranges);

    AnswerReader whole(part, false);
    auto const all = answer(200, {{"Content-Length", "20"}});
    CHECK(taken(whole, all, file, step) == "56789abcde");
    CHECK(whole.judge(all).why == Why::done);
    CHECK(whole.judge(all).no_ranges);
  }
}

TEST_CASE("answers and what they mean") {
  struct Row {
    char const* name;
    Exchange exchange;
    std::string body;
    Why why;
  };
  auto truncated = [](Exchange exchange, char const* how) { return exchange.truncated = how, exchange; };
  auto chunked = [](Exchange exchange) { return exchange.chunked = true, exchange; };
  auto failed = [](Code code) {
    Exchange exchange;
    exchange.failed = Error{code, "no", {}, {}};
    return exchange;
  };
  std::string const ten(10, 'x');
  std::vector<Row> const rows{
      {"other bytes", answer(206, {{"Content-Range", "bytes 6-15/20"}}), ten, Why::gone},
      {"more bytes", answer(206, {{"Content-Range", "bytes 5-15/20"}}), ten, Why::gone},
      {"no range said", answer(206), ten, Why::gone},
      {"several parts", answer(206, {{"Content-Type", "multipart/byteranges"}}), ten, Why::gone},
      {"nonsense", answer(206, {{"Content-Range", "bytes 5-14/20x"}}), ten, Why::gone},
      {"a size nobody knows", answer(206, {{"Content-Range", "bytes 5-14/*"}}), ten, Why::done},
      {"another size", answer(206, {{"Content-Range", "bytes 5-14/21"}}), ten, Why::differs},
      {"another size, whole", answer(200, {{"Content-Length", "19"}}), ten, Why::differs},
      {"whole, and too short", chunked(answer(200)), ten, Why::differs},
      {"too short, and nobody counted", answer(200), ten, Why::again},
      {"beyond its end", answer(416), "", Why::differs},
      {"a coding that it claims", answer(206, {{"Content-Encoding", "x-gzip"}, {"Content-Range", "bytes 5-14/20"}}),
       ten, Why::done},
      {"broken off", truncated(answer(206, {{"Content-Range", "bytes 5-14/20"}}), "disconnect"), "xxx", Why::again},
      {"slow", truncated(answer(206, {{"Content-Range", "bytes 5-14/20"}}), "time"), "xxx", Why::again},
      {"broken off, whole", truncated(answer(200), "disconnect"), "xxx", Why::again},
      {"fewer than said", answer(206, {{"Content-Range", "bytes 5-13/20"}}), "xxxxxxxxx", Why::again},
      {"nothing at all", answer(204), "", Why::again},
      {"not found", answer(404), "", Why::gone},
      {"gone", answer(410), "", Why::gone},
      {"forbidden", answer(403), "", Why::gone},
      {"a redirect", answer(302, {{"Location", "/y"}}), "", Why::done},
      {"a redirect to nowhere", answer(302), "", Why::gone},
      {"too many", answer(429), "", Why::again},
      {"down", answer(503), "", Why::again},
      {"no connection", failed(Code::unreachable), "", Why::again},
      {"not allowed", failed(Code::refused), "", Why::gone},
  };
  for (Row const& row : rows) {
    INFO(row.name);
    auto const part = ask(5, 10, 20);
    AnswerReader reader(part, false);
    if (row.exchange.status >= 200 && row.exchange.status < 300) taken(reader, row.exchange, row.body, 4);
    auto const end = reader.judge(row.exchange);
    CHECK(end.why == row.why);
    CHECK(end.text.empty() == (row.why == Why::done));
  }
}

TEST_CASE("a server's wish to be left alone is granted, for ten minutes at most") {
  auto const part = ask(0, 10, 10);
  AnswerReader reader(part, false);
  auto const wish = [&](std::string const& text) {
    return reader.judge(answer(503, {{"Retry-After", text}})).retry_after.value_or(std::chrono::seconds{-1}).count();
  };
  CHECK(wish("7") == 7);
  CHECK(wish("100000") == 600);
  CHECK(wish("18446744073709551615") == 600);
  CHECK(wish("Fri, 27 Nov 2026 00:00:00 GMT") == -1);
  CHECK(wish("-5") == -1);
  AnswerReader script(part, true);
  auto busy = answer(503);
  busy.body = "42";
  CHECK(script.judge(busy).retry_after == std::chrono::seconds{42});  // BEP 17
}

TEST_CASE("a connection is kept where the answer ends with what was asked for, and ended where more would come") {
  struct Row {
    std::uint64_t offset, size;
    int status;
    char const* length;
    bool kept;
  };
  for (Row const& row : {Row{5, 10, 206, "10", true}, Row{0, 20, 200, "20", true}, Row{0, 10, 200, "20", false},
                         Row{5, 15, 200, "20", true}}) {
    INFO(row.offset << " " << row.size << " " << row.status);
    auto const part = ask(row.offset, row.size, 20);
    AnswerReader reader(part, false);
    auto const range = "bytes " + std::to_string(row.offset) + "-" + std::to_string(row.offset + row.size - 1) + "/20";
    auto const head = answer(row.status, {{"Content-Length", row.length}, {"Content-Range", range}});
    (void)taken(reader, head, std::string(20, 'x').substr(row.status == 206 ? row.offset : 0, row.offset + row.size),
                100);
    CHECK(reader.wants_more() == row.kept);
    CHECK(reader.judge(head).why == Why::done);
  }
}

TEST_CASE("a server that has no ranges, and was not known to, is asked otherwise at once") {
  auto const part = ask(15, 5, 20);
  auto const head = answer(200, {{"Content-Length", "20"}});
  AnswerReader reader(part, false, true);
  CHECK(reader.take(head, "0123456789").empty());
  CHECK_FALSE(reader.wants_more());
  auto const end = reader.judge(head);
  CHECK(end.why == Why::again);
  CHECK(end.no_ranges);
  CHECK(end.text.empty());  // no fault of its own
  AnswerReader known(part, false, false);
  CHECK(taken(known, head, "01234567890123456789", 4) == "56789");
}
