// What a look at the same place says of the one before, so that only a change is sent again (RFC 9110 §13.1). A value;
// any thread.
#pragma once

#include <string>

#include "fetchers/http/client.h"
#include "fetchers/http/exchange.h"

namespace impound::fetchers {

class Validators {
 public:
  /// Of a whole answer: its ETag, and its Last-Modified where Date is later. One whose end is not proven leaves
  /// nothing, nor does a field of more than 1,024 bytes or one that cannot be sent back.
  static Validators of(Exchange const& answer);
  /// Adds If-None-Match and If-Modified-Since.
  void add_to(HttpRequest& request) const;
  bool empty() const { return etag_.empty() && last_modified_.empty(); }

 private:
  std::string etag_, last_modified_;
};

}  // namespace impound::fetchers
