// A web seed's answer: never more bytes than were asked for, whatever status, ranges and lengths it claims.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "evidence/values/must.h"
#include "fetchers/http/response_head.h"
#include "fetchers/torrents/worker/web/web_answer.h"

using namespace impound::fetchers;

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  std::string_view const input{reinterpret_cast<char const*>(bytes), size};
  auto const end = input.find("\r\n\r\n");
  std::string_view const head = input.substr(0, end == std::string_view::npos ? size : end + 4);
  std::string_view body = input.substr(head.size());
  static Url const url = Url::parse("http://a.example/x").value();
  WebAsk const ask{{std::size_t{0}, 5, 10}, 20, url};
  for (bool const by_ranges : {false, true}) {
    AnswerReader reader(ask, by_ranges);
    Exchange exchange;
    ResponseHead read = read_response_head(head);
    exchange.status = read.status;
    exchange.headers = std::move(read.headers);
    exchange.response_head = head;
    std::size_t got = 0;
    while (!body.empty() && exchange.status / 100 == 2 && reader.wants_more()) {
      auto const part = body.substr(0, 7);
      body.remove_prefix(part.size());
      got += reader.take(exchange, part).size();
    }
    impound::must(got <= ask.part.size);
    auto const verdict = reader.judge(exchange);
    impound::must(verdict.why != OrderEnd::Why::done || exchange.redirect() || got == ask.part.size);
    (void)web_exchange(exchange);
  }
  return 0;
}
