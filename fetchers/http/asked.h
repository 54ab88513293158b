// One request on its way through libcurl: from what is asked for to the Exchange that came of it. For fetchers/http
// alone; one thread.
//
// Where a request may not be made (an address that is refused, a local name behind a proxy, a header that would smuggle
// another), begin() makes no handle and the exchange says why: nothing was sent.
#pragma once

#include <curl/curl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fetchers/http/client.h"
#include "fetchers/http/transfer.h"

namespace impound::fetchers {

struct HandleClose {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, HandleClose>;
struct HeadersFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// By whom, and by which way, requests are made; must outlive them.
struct Asking {
  Clock& clock;
  AddressPolicy const& policy;
  std::string user_agent;
  std::optional<Proxy> proxy;
};

class Asked {
 public:
  /// `keep_connection`: what is dialled serves later requests, too. `exempt`: the request's exemption is heard.
  /// `posted`, `request` and `limits` must outlive this.
  Asked(Asking const& asking, HttpRequest const& request, HttpLimits const& limits,
        std::optional<std::string_view> posted, bool keep_connection, bool exempt);
  Asked(Asked const&) = delete;
  Asked& operator=(Asked const&) = delete;

  /// False: there is nothing to perform, and the exchange says why. All options of `handle` are set anew; it must
  /// outlive this.
  bool begin(CURL* handle);
  /// After its transfer ended so.
  void end(CURLcode code);
  Exchange& exchange() { return exchange_; }

 private:
  bool may_be_asked();

  Asking const& asking_;
  HttpRequest const& request_;
  std::optional<std::string_view> posted_;
  bool exempt_;
  Exchange exchange_;
  Transfer transfer_;
  CURL* handle_ = nullptr;
  std::unique_ptr<curl_slist, HeadersFree> headers_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
};

/// The request's exemption is for its own host and port; any other exempts nothing.
bool exempt_here(HttpRequest const& request);

/// User agents are told to sites: printable ASCII alone.
std::string sendable_agent(std::string user_agent);

}  // namespace impound::fetchers
