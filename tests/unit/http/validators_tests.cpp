#include "fetchers/http/validators.h"

#include <doctest/doctest.h>

using namespace impound::fetchers;

TEST_CASE("validators go back as they came, and nothing that could smuggle a header does") {
  Exchange answer;
  answer.headers = {{"ETag", "W/\"abc\""},
                    {"last-modified", "Fri, 05 May 2017 18:40:00 GMT"},
                    {"Date", "Fri, 05 May 2017 18:40:01 GMT"},
                    {"Content-Length", "2"}};
  HttpRequest request{.url = Url::parse("http://site.example/").value()};
  Validators::of(answer).add_to(request);
  std::vector<std::pair<std::string, std::string>> const expected{
      {"If-None-Match", "W/\"abc\""}, {"If-Modified-Since", "Fri, 05 May 2017 18:40:00 GMT"}};
  CHECK(request.headers == expected);
  for (std::string const& wrong :
       {std::string(1025, 'x'), std::string("a\nX: y"), std::string("a\x7f"), std::string{}}) {
    answer.headers = {{"ETag", wrong}, {"Content-Length", "2"}};
    CHECK(Validators::of(answer).empty());
  }
  CHECK(Validators::of(Exchange{}).empty());
}

TEST_CASE("a date of the second in which the answer was made, and a body that may have been cut, are no validators") {
  Exchange answer;
  auto const kept = [&](char const* modified, char const* date) {
    answer.headers = {{"Last-Modified", modified}, {"Date", date}, {"Content-Length", "2"}};
    return !Validators::of(answer).empty();
  };
  CHECK(kept("Fri, 05 May 2017 18:40:00 GMT", "Fri, 05 May 2017 18:40:01 GMT"));
  CHECK_FALSE(kept("Fri, 05 May 2017 18:40:00 GMT", "Fri, 05 May 2017 18:40:00 GMT"));
  CHECK_FALSE(kept("Fri, 05 May 2017 18:40:00 GMT", "yesterday"));
  CHECK_FALSE(kept("long ago", "Fri, 05 May 2017 18:40:01 GMT"));
  answer.headers = {{"ETag", "\"abc\""}};
  CHECK(Validators::of(answer).empty());
  answer.chunked = true;
  CHECK_FALSE(Validators::of(answer).empty());
  answer.truncated = "disconnect";
  CHECK(Validators::of(answer).empty());
}
