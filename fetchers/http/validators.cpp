#include "fetchers/http/validators.h"

#include <curl/curl.h>

#include <algorithm>
#include <ctime>
#include <string_view>

namespace impound::fetchers {

namespace {

constexpr std::size_t validator_bytes_max = 1024;

std::string sent_back(Exchange const& answer, std::string_view name) {
  auto const value = answer.header(name);
  bool const good = value && value->size() <= validator_bytes_max &&
                    std::all_of(value->begin(), value->end(), [](char c) { return c >= ' ' && c != 0x7f; });
  return good ? std::string(*value) : std::string{};
}

std::time_t date_of(Exchange const& answer, std::string_view name) {
  auto const value = answer.header(name);
  return value ? curl_getdate(std::string(*value).c_str(), nullptr) : -1;
}

/// Changed within the second of the answer, it may have changed again under the same date (RFC 9110 §8.8.2.2).
bool strong_date(Exchange const& answer) {
  std::time_t const modified = date_of(answer, "last-modified");
  return modified >= 0 && date_of(answer, "date") > modified;
}

/// A body that ends with its connection may have been cut.
bool end_is_proven(Exchange const& answer) {
  return answer.truncated.empty() && (answer.chunked || answer.http_version == "2" || answer.header("content-length"));
}

}  // namespace

Validators Validators::of(Exchange const& answer) {
  Validators made;
  if (!end_is_proven(answer)) return made;
  made.etag_ = sent_back(answer, "etag");
  if (strong_date(answer)) made.last_modified_ = sent_back(answer, "last-modified");
  return made;
}

void Validators::add_to(HttpRequest& request) const {
  if (!etag_.empty()) request.headers.emplace_back("If-None-Match", etag_);
  if (!last_modified_.empty()) request.headers.emplace_back("If-Modified-Since", last_modified_);
}

}  // namespace impound::fetchers
