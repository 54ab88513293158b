#include "fetchers/torrents/worker/web/web_answer.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "evidence/formats/digests.h"
#include "evidence/formats/hex.h"

namespace impound::fetchers {

namespace {

using Why = OrderEnd::Why;

constexpr std::chrono::seconds retry_after_max{600};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::optional<std::uint64_t> total;  // none: "*"
};

/// "bytes 0-499/1234".
std::optional<ContentRange> content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  auto const dash = text.find('-');
  auto const slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return std::nullopt;
  auto const first = number(text.substr(0, dash));
  auto const last = number(text.substr(dash + 1, slash - dash - 1));
  auto const total = number(text.substr(slash + 1));
  if (!first || !last || (!total && text.substr(slash + 1) != "*")) return std::nullopt;
  return ContentRange{*first, *last, total};
}

OrderEnd verdict(Why why, std::string text) { return {.why = why, .text = std::move(text)}; }

OrderEnd other_size(std::uint64_t there, std::uint64_t torrent) {
  return verdict(Why::differs,
                 "it has " + std::to_string(there) + " bytes there, in the torrent " + std::to_string(torrent));
}

std::optional<std::chrono::seconds> retry_after(std::string_view text) {
  auto const seconds = number(text);
  if (!seconds) return std::nullopt;
  return std::min(retry_after_max,
                  std::chrono::seconds{static_cast<std::int64_t>(std::min<std::uint64_t>(*seconds, 1'000'000))});
}

}  // namespace

std::string AnswerReader::range() const {
  return "bytes=" + std::to_string(ask_.part.offset) + "-" + std::to_string(ask_.part.offset + ask_.part.size - 1);
}

void AnswerReader::read_head(Exchange const& head) {
  head_read_ = true;
  if (by_ranges_) return;
  // Whatever coding it claims: these are the bytes that it has, and the piece's hash judges.
  auto const length = number(head.header("content-length").value_or(""));
  if (head.status == 206) {
    ends_there_ = length == ask_.part.size;
    auto const range = content_range(head.header("content-range").value_or(""));
    if (!range || range->first != ask_.part.offset || range->last >= ask_.part.offset + ask_.part.size)
      verdict_ = verdict(Why::gone, "it sends other bytes than those that were asked for");
    else if (range->total && *range->total != ask_.file_size)
      verdict_ = other_size(*range->total, ask_.file_size);
    return;
  }
  verdict_.no_ranges = ask_.part.size < ask_.file_size;
  skip_ = ask_.part.offset;
  ends_there_ = length && ask_.part.offset + ask_.part.size == ask_.file_size;
  if (length && *length != ask_.file_size)
    verdict_ = other_size(*length, ask_.file_size);
  else if (expects_ranges_ && skip_ > ask_.part.size)
    verdict_ = {.why = Why::again, .no_ranges = true};  // what is asked for is better chosen for such a server
}

std::string_view AnswerReader::take(Exchange const& head, std::string_view bytes) {
  if (!head_read_) read_head(head);
  if (verdict_.why != Why::done) return {};
  auto const skipped = std::min<std::uint64_t>(skip_, bytes.size());
  skip_ -= skipped;
  bytes.remove_prefix(static_cast<std::size_t>(skipped));
  bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), ask_.part.size - got_)));
  got_ += bytes.size();
  return bytes;
}

OrderEnd AnswerReader::judge_status(Exchange const& exchange) const {
  int const status = exchange.status;
  std::string const text = "it answers " + std::to_string(status);
  if (exchange.redirect()) return exchange.header("location") ? OrderEnd{} : verdict(Why::gone, text + " to nowhere");
  if (status == 416) return verdict(Why::differs, "it ends before the bytes that were asked for");
  if (status == 408 || status == 425 || status == 429 || status >= 500) {
    OrderEnd end = verdict(Why::again, text);
    end.retry_after = retry_after(exchange.header("retry-after").value_or(""));
    if (by_ranges_ && status == 503 && !end.retry_after) end.retry_after = retry_after(exchange.body);  // BEP 17
    return end;
  }
  return verdict(Why::gone, text);
}

OrderEnd AnswerReader::judge(Exchange const& exchange) const {
  if (exchange.failed) {
    // An address that may not be asked is none later, either.
    bool const refused = exchange.failed->code == Code::refused;
    return verdict(refused ? Why::gone : Why::again, exchange.failed->what);
  }
  if (exchange.status < 200 || exchange.status >= 300) return judge_status(exchange);
  if (verdict_.why != Why::done) return verdict_;
  if (got_ == ask_.part.size) return verdict_;
  OrderEnd end = verdict(Why::again, exchange.truncated == "time"         ? "it is too slow"
                                     : exchange.truncated == "disconnect" ? "it broke off"
                                                                          : "it sends fewer bytes than it has");
  // Whole by its own count, and too short. Without a count the connection's end says nothing.
  bool const counted = exchange.chunked || exchange.header("content-length");
  if (exchange.truncated.empty() && counted && !by_ranges_ && exchange.status == 200)
    end = other_size(ask_.part.offset - skip_ + got_, ask_.file_size);
  end.no_ranges = verdict_.no_ranges;
  return end;
}

WebExchange web_exchange(Exchange const& exchange) {
  WebExchange told;
  told.url = exchange.url;
  told.started_us = exchange.started_us;
  told.ended_us = exchange.ended_us;
  told.status = exchange.status;
  told.bytes = exchange.sunk_bytes + exchange.response_body.size();
  if (!exchange.response_head.empty()) told.head_sha256 = sha256(bytes_of(exchange.response_head));
  told.address = exchange.remote_ip;
  told.port = exchange.remote_port;
  told.tls_protocol = exchange.tls_protocol;
  told.certificates = exchange.certificates;
  return told;
}

}  // namespace impound::fetchers
