// What a web seed's answer is worth: which of its bytes were asked for, and what its status, ranges and lengths say of
// the file (RFC 9110 §14). One answer, one reader; pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fetchers/http/exchange.h"
#include "fetchers/torrents/worker/web/web_line.h"

namespace impound::fetchers {

class AnswerReader {
 public:
  AnswerReader(WebAsk const& ask, bool by_ranges, bool expects_ranges = false)
      : ask_(ask), by_ranges_(by_ranges), expects_ranges_(expects_ranges) {}

  /// The Range header's value.
  std::string range() const;
  /// What of the next bytes of a 2xx answer's body is the part's.
  std::string_view take(Exchange const& head, std::string_view bytes);
  /// False ends the connection; so it is true as well where the answer ends by itself with what was asked for.
  bool wants_more() const { return verdict_.why == OrderEnd::Why::done && (got_ < ask_.part.size || ends_there_); }
  /// When it has ended. A redirect is Why::done, and so is all that was asked for.
  OrderEnd judge(Exchange const& exchange) const;

 private:
  void read_head(Exchange const& head);
  OrderEnd judge_status(Exchange const& exchange) const;

  WebAsk const& ask_;
  bool const by_ranges_;
  bool const expects_ranges_;  // of a server that was not heard to have none
  bool head_read_ = false;
  bool ends_there_ = false;
  OrderEnd verdict_{};
  std::uint64_t skip_ = 0;
  std::uint64_t got_ = 0;
};

/// What the swarm record keeps of an exchange.
WebExchange web_exchange(Exchange const& exchange);

}  // namespace impound::fetchers
