#include "fetchers/url.h"

#include <curl/curl.h>
#include <strings.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "fetchers/ip_address.h"

namespace impound::fetchers {

namespace {

using Handle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

// An error shows at most this much of a stranger's URL.
constexpr std::size_t shown_bytes_max = 200;

Error bad(Code code, std::string what, std::string_view text, std::string hint = {}) {
  std::string where;
  for (char const c : text.substr(0, shown_bytes_max)) where += (c >= ' ' && c <= '~') ? c : '?';
  if (text.size() > shown_bytes_max) where += "…";
  return Error{code, std::move(what), std::move(where), std::move(hint)};
}

std::optional<std::string> part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* found = nullptr;
  if (curl_url_get(url, which, &found, flags) != CURLUE_OK || found == nullptr) return std::nullopt;
  std::string text(found);
  curl_free(found);
  return text;
}

bool ends_with_label(std::string_view host, std::string_view label) {
  return host == label || (host.ends_with(label) && host[host.size() - label.size() - 1] == '.');
}

bool plain_host(std::string_view host) {
  return !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

HostKind kind_of_host(std::string_view host) {
  if (auto const address = IpAddress::parse_any(host)) return address->is_v4() ? HostKind::ipv4 : HostKind::ipv6;
  std::string lower(host);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  if (lower.ends_with('.')) lower.pop_back();
  if (lower.find('.') == std::string::npos) return HostKind::local;
  for (char const* const label : {"localhost", "local", "internal", "home.arpa"})
    if (ends_with_label(lower, label)) return HostKind::local;
  return ends_with_label(lower, "onion") ? HostKind::onion : HostKind::name;
}

/// Takes the parts out of a handle that curl has parsed, and refuses what a Url must not hold.
class UrlReader {
 public:
  static Result<Url> read(CURLU* handle, std::string_view text) {
    if (part(handle, CURLUPART_USER) || part(handle, CURLUPART_PASSWORD) || part(handle, CURLUPART_OPTIONS))
      return bad(Code::refused, "a URL must not hold a user name or password", text, "leave them out");
    if (part(handle, CURLUPART_ZONEID)) return bad(Code::refused, "a URL must not name a network interface", text);
    Url url;
    url.scheme_ = part(handle, CURLUPART_SCHEME).value_or("");
    if (url.scheme_ != "http" && url.scheme_ != "https")
      return bad(Code::refused, "only http and https URLs are fetched", text);
    IMPOUND_CHECK(read_host(handle, text, url));
    IMPOUND_CHECK(read_port(handle, text, url));
    url.path_ = part(handle, CURLUPART_PATH).value_or("/");
    url.query_ = part(handle, CURLUPART_QUERY).value_or("");
    url.fragment_ = part(handle, CURLUPART_FRAGMENT).value_or("");
    auto const literal = url.is_literal() ? IpAddress::parse(url.host_) : std::nullopt;
    url.text_ = url.scheme_ + "://" + (literal ? literal->text_in_url() : url.host_);
    if (url.port_ != (url.scheme_ == "http" ? 80 : 443)) url.text_.append(":").append(std::to_string(url.port_));
    url.text_ += url.path_;
    if (!url.query_.empty()) url.text_.append("?").append(url.query_);
    if (url.text_.size() > Url::bytes_max) return bad(Code::refused, "a URL is too long", text);
    for (std::string const* const each : {&url.text_, &url.fragment_})
      for (char const c : *each)
        if (c <= ' ' || c > '~') return bad(Code::malformed, "a URL holds a character that none may hold", text);
    return url;
  }

 private:
  static Result<void> read_host(CURLU* handle, std::string_view text, Url& url) {
    std::string host = part(handle, CURLUPART_HOST).value_or("");
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    if (auto const address = IpAddress::parse_any(host)) {
      url.host_ = address->text();
      url.host_kind_ = address->is_v4() ? HostKind::ipv4 : HostKind::ipv6;
      return ok();
    }
    if (!plain_host(host))
      return bad(Code::malformed, "a URL's host is no host name", text, "give an international name in its xn-- form");
    // "1.2.3.999", "0x7f.0.0.0.1": numbers only, yet no address. No public name ends in a number, and readers disagree
    // on these.
    auto const without_dot = std::string_view(host).substr(0, host.size() - (host.back() == '.' ? 1 : 0));
    auto const last = without_dot.substr(without_dot.find_last_of('.') + 1);
    bool const digits =
        !last.empty() && std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits || last.starts_with("0x")) return bad(Code::malformed, "a URL's host is neither name nor address", text);
    url.host_kind_ = kind_of_host(host);
    url.host_ = std::move(host);
    return ok();
  }

  static Result<void> read_port(CURLU* handle, std::string_view text, Url& url) {
    std::string const digits = part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("");
    unsigned long number = 0;
    for (char const c : digits) {
      if (c < '0' || c > '9' || number > 65'535) return bad(Code::malformed, "a URL's port is no port", text);
      number = number * 10 + static_cast<unsigned long>(c - '0');
    }
    if (number == 0 || number > 65'535) return bad(Code::malformed, "a URL's port is no port", text);
    url.port_ = static_cast<std::uint16_t>(number);
    return ok();
  }
};

namespace {

Result<void> no_oddities(std::string_view text) {
  if (text.size() > Url::bytes_max) return bad(Code::refused, "a URL is too long", text);
  for (char const c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f)
      return bad(Code::malformed, "a URL holds a control character", text);
  // Where readers of URLs part ways, and with it the hosts they see: \ is / to browsers, and they and curl forgive
  // http:/x and http:///x, each in its own way.
  if (text.substr(0, text.find_first_of("?#")).find('\\') != std::string_view::npos)
    return bad(Code::malformed, "a URL holds a backslash", text, "write / or %5C");
  auto const colon = text.find(':');
  if (colon != std::string_view::npos && colon < text.find_first_of("/?#")) {
    auto const slashes = text.substr(colon + 1).find_first_not_of('/');
    bool const web = colon >= 4 && strncasecmp(text.data(), "https", std::min<std::size_t>(colon, 5)) == 0;
    if (web && slashes != 2) return bad(Code::malformed, "no URL (its scheme is not followed by //)", text);
  }
  return ok();
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  IMPOUND_CHECK(no_oddities(text));
  Handle const handle(curl_url(), curl_url_cleanup);
  if (!handle) return Error{Code::io, "out of memory", {}, {}};
  auto const answer = curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_URLENCODE);
  if (answer == CURLUE_UNSUPPORTED_SCHEME) return bad(Code::refused, "only http and https URLs are fetched", text);
  if (answer != CURLUE_OK) return bad(Code::malformed, std::string("no URL (") + curl_url_strerror(answer) + ")", text);
  return UrlReader::read(handle.get(), text);
}

Result<Url> Url::resolve(std::string_view reference) const {
  IMPOUND_CHECK(no_oddities(reference));
  Handle const handle(curl_url(), curl_url_cleanup);
  if (!handle || curl_url_set(handle.get(), CURLUPART_URL, text_.c_str(), 0) != CURLUE_OK)
    return Error{Code::io, "out of memory", {}, {}};
  auto const answer = curl_url_set(handle.get(), CURLUPART_URL, std::string(reference).c_str(), CURLU_URLENCODE);
  if (answer == CURLUE_UNSUPPORTED_SCHEME) return bad(Code::refused, "only http and https URLs are fetched", reference);
  if (answer != CURLUE_OK)
    return bad(Code::malformed, std::string("no URL (") + curl_url_strerror(answer) + ")", reference);
  return UrlReader::read(handle.get(), reference);
}

}  // namespace impound::fetchers
