#include "fetchers/http/chunked.h"

#include <doctest/doctest.h>

#include <string>

#include "fetchers/http/response_head.h"

using namespace impound::fetchers;

TEST_CASE("chunks are put together, extensions and trailers read over") {
  auto const plain = dechunk("4\r\nWiki\r\n5;name=\"v\"\r\npedia\r\n0\r\nX-Digest: 1\r\n\r\n");
  CHECK(plain.end == ChunkedEnd::complete);
  CHECK(plain.body == "Wikipedia");
  CHECK(plain.trailers == "X-Digest: 1\r\n");
  CHECK(dechunk("A\r\n0123456789\r\n000\r\n\r\n").body == "0123456789");
  CHECK(dechunk("3\nabc\n0\n\n").end == ChunkedEnd::complete);
  auto const more = dechunk("1\r\na\r\n0\r\n\r\nsurplus");
  CHECK(more.end == ChunkedEnd::complete);
  CHECK(more.used == 11);
}

TEST_CASE("a body cut at any byte is known as cut, and what came is a prefix") {
  std::string const whole = "4\r\nWiki\r\n5\r\npedia\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    auto const plain = dechunk(std::string_view(whole).substr(0, size));
    CHECK(plain.end == ChunkedEnd::cut);
    CHECK(std::string("Wikipedia").starts_with(plain.body));
  }
}

TEST_CASE("P6: what is no chunked coding is malformed and costs nothing") {
  for (std::string const& text :
       {std::string("\r\n"), std::string("g\r\n"), std::string("-1\r\nx"), std::string("0x4\r\nWiki\r\n"),
        std::string("4\r\nWikiX\r\n"), std::string("4x\r\nWiki\r\n"), std::string("ffffffffffffffff\r\nx"),
        std::string(5000, '1'), std::string("4;") + std::string(5000, 'x'), "0\r\n" + std::string(5000, 'x')})
    CHECK(dechunk(text).end == ChunkedEnd::malformed);
  std::string many = "0\r\n";
  for (int i = 0; i < 40'000; ++i) many += "a:b\r\n";
  CHECK(dechunk(many).end == ChunkedEnd::malformed);
  CHECK(dechunk("fffffffffffffff\r\nshort").end == ChunkedEnd::cut);  // a size beyond all bytes allocates none
}

TEST_CASE("a response head is read as clients read it") {
  auto const head = read_response_head(
      "HTTP/1.1 200 Fine\r\nContent-Type:  text/plain \r\nX-Folded: a\r\n  b\r\nnonsense\r\nTransfer-Encoding: gzip, "
      "Chunked\r\n\r\n");
  CHECK(head.status == 200);
  CHECK(head.version == "1.1");
  REQUIRE(head.headers.size() == 3);
  CHECK(head.headers[0].first == "Content-Type");
  CHECK(head.headers[0].second == "text/plain");
  CHECK(head.headers[1].second == "a b");
  CHECK(head.chunked);
  CHECK(read_response_head("HTTP/1.0 404\n\n").status == 404);
  CHECK(read_response_head("nothing").status == 0);
  CHECK(read_response_head("").status == 0);
  CHECK_FALSE(read_response_head("HTTP/1.1 200\r\nTransfer-Encoding: chunked, identity\r\n\r\n").chunked);
}
